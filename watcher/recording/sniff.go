package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/klauspost/compress/gzip"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/gunzip"
)

// Kind is what a recording's content is, whatever its name says.
type Kind int

// The kinds of content.
const (
	KindUnknown   Kind = iota
	KindGuacamole      // a Guacamole protocol dump
	KindKokoJSON       // koko's old JSON format for terminal sessions
	KindAsciicast      // an asciicast of a terminal session
	KindMP4            // a video
	KindEmpty          // nothing at all
)

var kindNames = [...]string{"unknown", "Guacamole dump", "koko JSON", "asciicast", "MP4", "empty"}

func (k Kind) String() string { return kindNames[k] }

// KindError says that a file is no Guacamole recording, and what it is.
type KindError struct {
	Path string
	Kind Kind
}

func (e *KindError) Error() string {
	switch e.Kind {
	case KindEmpty:
		return fmt.Sprintf("%s is empty", e.Path)
	case KindUnknown:
		return fmt.Sprintf("%s is not a recording", e.Path)
	default:
		return fmt.Sprintf("%s is not a Guacamole recording: its content is %s", e.Path, e.Kind)
	}
}

// sniffLen is how much of the content's beginning decides its kind.
const sniffLen = 512

var guacStart = regexp.MustCompile(`^[1-9][0-9]?\.[a-z]+[,;]`)

// Sniff tells the kind of content, looking through gzip. It returns r's
// errors; content that is shorter than expected is no error.
func Sniff(r io.Reader) (Kind, error) {
	kind, _, err := Look(r)
	return kind, err
}

// Look is [Sniff], and also answers the first bytes of the content, 512 at
// most.
func Look(r io.Reader) (Kind, []byte, error) {
	plain, err := decompress(r)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) {
		return KindUnknown, nil, nil // cut in the gzip header
	}
	if err != nil {
		return KindUnknown, nil, err
	}
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(plain, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.EOF) && !gunzip.Damaged(err) {
		return KindUnknown, nil, err
	}
	return kindOf(head), head, nil
}

func kindOf(head []byte) Kind {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	line, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case len(head) == 0:
		return KindEmpty
	case len(head) >= 8 && string(head[4:8]) == "ftyp":
		return KindMP4
	case guacStart.Match(head):
		return KindGuacamole
	case len(text) > 0 && text[0] == '{' && bytes.Contains(line, []byte(`"version"`)) && bytes.Contains(line, []byte(`"width"`)):
		return KindAsciicast
	case len(text) > 0 && text[0] == '{':
		return KindKokoJSON
	default:
		return KindUnknown
	}
}

// decompress answers the plain content of r: through gzip when it begins
// with gzip's magic number.
func decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	magic, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	return gunzip.NewReader(b)
}
