package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/gunzip"
)

// Kind is the kind of a recording's content, whatever its name.
type Kind int

// The kinds of content.
const (
	KindUnknown   Kind = iota
	KindGuacamole      // a Guacamole protocol dump
	KindKokoJSON       // koko's old JSON format for terminal sessions
	KindAsciicast      // an asciicast of a terminal session
	KindMP4            // a video
	KindEmpty          // an empty file
)

var kindNames = [...]string{"unknown", "Guacamole dump", "koko JSON", "asciicast", "MP4", "empty"}

func (k Kind) String() string { return kindNames[k] }

// KindError says that a file is not a Guacamole recording, and what it is.
type KindError struct {
	Path  string
	Kind  Kind
	Looks string // for KindUnknown: what the content looks like; "" = unknown
}

func (e *KindError) Error() string {
	switch {
	case e.Kind == KindEmpty:
		return fmt.Sprintf("%s is empty", e.Path)
	case e.Kind == KindUnknown && e.Looks != "":
		return fmt.Sprintf("%s is not a recording: it looks like %s", e.Path, e.Looks)
	case e.Kind == KindUnknown:
		return fmt.Sprintf("%s is not a recording", e.Path)
	default:
		return fmt.Sprintf("%s is not a Guacamole recording: its content is %s", e.Path, e.Kind)
	}
}

// sniffLen is how many bytes of the content decide its kind.
const sniffLen = 512

// guacStart matches the start of a dump: an instruction, or one without an opcode,
// which the tunnel adds.
var guacStart = regexp.MustCompile(`^(?:[1-9][0-9]?\.[a-z]+[,;]|0\.,\s*[0-9]+\.)`)

// Sniff returns the kind of content, after decompression. It returns r's errors;
// content that is shorter than expected is not an error.
func Sniff(r io.Reader) (Kind, error) {
	kind, _, err := Look(r)
	return kind, err
}

// Look is [Sniff], and also returns the first bytes of the content, at most 512.
func Look(r io.Reader) (Kind, []byte, error) {
	plain, err := decompress(r)
	if errors.Is(err, io.EOF) || Damaged(err) {
		return KindUnknown, nil, nil // truncated in the gzip header
	}
	if err != nil {
		return KindUnknown, nil, err
	}
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(plain, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !Damaged(err) {
		return KindUnknown, nil, err
	}
	return kindOf(head), head, nil
}

func kindOf(head []byte) Kind {
	text := withoutBlanks(head)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case len(head) == 0:
		return KindEmpty
	case len(head) >= 8 && string(head[4:8]) == "ftyp":
		return KindMP4
	case guacStart.Match(text):
		return KindGuacamole
	case len(text) > 0 && text[0] == '{' && bytes.Contains(line, []byte(`"version"`)) && bytes.Contains(line, []byte(`"width"`)):
		return KindAsciicast
	case len(text) > 0 && text[0] == '{':
		return KindKokoJSON
	default:
		return KindUnknown
	}
}

// withoutBlanks returns text without leading blanks and byte order marks.
func withoutBlanks(text []byte) []byte {
	for {
		rest := bytes.TrimPrefix(bytes.TrimLeft(text, " \t\r\n\v\f"), []byte("\ufeff"))
		if len(rest) == len(text) {
			return rest
		}
		text = rest
	}
}

// looksLike returns what content of an unknown kind looks like; "" = unknown.
func looksLike(head []byte) string {
	kind, _, _ := strings.Cut(http.DetectContentType(head), ";")
	switch {
	case len(head) == 0:
		return ""
	case len(bytes.Trim(head, "\x00")) == 0:
		return "zero bytes, as after a power failure"
	case len(head) > 1 && head[0]&0x8f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0:
		return "zlib data, which is not gzip"
	case kind == "text/html":
		return "a web page"
	case kind == "text/plain":
		return "plain text"
	case kind == "application/octet-stream":
		return ""
	}
	return kind
}

// maxLayers is how often content may be compressed: some tools compress files that
// are compressed already.
const maxLayers = 4

// decompress returns the plain content of r. If r begins with gzip's magic number
// it decompresses, up to [MaxPlain] bytes.
func decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	for range maxLayers {
		magic, err := b.Peek(2)
		if err != nil && !errors.Is(err, io.EOF) && !Damaged(err) {
			return nil, err
		}
		if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
			break
		}
		plain, err := gunzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		b = bufio.NewReaderSize(&bounded{plain: plain, left: MaxPlain}, 64<<10)
	}
	return b, nil
}
