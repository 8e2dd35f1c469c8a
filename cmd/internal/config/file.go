package config

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// maxFile limits the size of a config.txt, in bytes.
const maxFile = 1 << 20

var keyPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParseFile reads a config.txt in JumpServer's format: lines KEY=VALUE, comments after
// `#` at the start of a line or after white space, optional single or double quotes,
// an optional `export `, and CRLF or LF.
//
// Existing parsers of dotenv files either expand `$` in values, or end a value at any
// `#`. Both would silently change a password. Core reads the same file, and uses the
// password unchanged. A line that is not an assignment is skipped: the file belongs to
// JumpServer, and may contain other lines.
func ParseFile(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("config file %s: larger than %d bytes, so it is not a config.txt; name the right file with --config", path, maxFile)
	}
	return parse(data)
}

// parse is [ParseFile] for the content of a file.
func parse(data []byte) (map[string]string, error) {
	values := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	lines.Buffer(nil, maxFile+1)
	for lines.Scan() {
		if key, value, ok := parseLine(lines.Text()); ok {
			values[key] = value
		}
	}
	return values, lines.Err()
}

func parseLine(line string) (key, value string, ok bool) {
	line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
	key, value, ok = strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || !keyPattern.MatchString(key) {
		return "", "", false
	}
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			return key, value[1 : 1+end], true
		}
	}
	return key, cutComment(value), true
}

// cutComment removes a comment from an unquoted value: a `#` at the start or after white
// space, and everything after it.
func cutComment(v string) string {
	for i := range len(v) {
		if v[i] == '#' && (i == 0 || v[i-1] == ' ' || v[i-1] == '\t') {
			return strings.TrimSpace(v[:i])
		}
	}
	return v
}
