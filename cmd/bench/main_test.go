package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// line matches a command line of this program in a text, up to where a shell would
// end the command.
var line = regexp.MustCompile("go run \\./cmd/bench ([^`\\n;&|]+)")

// TestCommandLinesAreUnderstood: the command lines in the help texts, the Makefile
// and the documentation use only commands and flags that exist.
func TestCommandLinesAreUnderstood(t *testing.T) {
	texts := map[string]string{}
	for _, c := range root().Commands() {
		if c.Name() == "help" {
			continue
		}
		if !strings.Contains(c.Example, "go run ./cmd/bench "+c.Name()) {
			t.Errorf("%s has no example", c.Name())
		}
		texts["help of "+c.Name()] = c.Example
	}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(docs, "../../Makefile") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	found := map[string]int{}
	for where, text := range texts {
		for _, m := range line.FindAllStringSubmatch(text, -1) {
			command, _, _ := strings.Cut(m[1], "  ") // a remark follows two spaces
			args := strings.Fields(plain(command))
			cmd, rest, err := root().Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %s: %v", where, command, err)
			} else {
				found[cmd.Name()]++
			}
		}
	}
	for _, name := range []string{"backlog", "compare", "convert", "film", "governor", "scan", "upload"} {
		if found[name] < 3 { // two examples, and one in the Makefile or a document
			t.Errorf("%d command lines of %s were found", found[name], name)
		}
	}
}

// plain returns a command line of a Makefile as a shell might get it.
func plain(command string) string {
	for _, r := range []struct{ from, to string }{
		{`\$\([A-Z]+\)`, "1"},            // a variable
		{`\$\$\([^)]*\)`, "file"},        // what a command prints
		{`\$\(if [^,]*,([^)]*)\)`, "$1"}, // an option that is not always set
	} {
		command = regexp.MustCompile(r.from).ReplaceAllString(command, r.to)
	}
	return command
}
