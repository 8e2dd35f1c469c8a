package recording

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/gunzip"
)

// MaxPlain bounds the uncompressed size of one part, in bytes: more than any
// session makes, little enough that a decompression bomb comes to an end.
const MaxPlain = 64 << 30

// ErrTooLarge is returned while reading a part that exceeds [MaxPlain].
var ErrTooLarge = errors.New("the recording is larger than any session makes: a decompression bomb?")

// Part is one stand-alone dump of a recording.
type Part struct {
	Name    string // base name, for people
	Size    int64  // bytes as stored
	ModTime time.Time

	raw func() (io.ReadCloser, error)
}

// Open reads the part's uncompressed dump. Compressed data that is cut or
// damaged is delivered up to there and ends with io.ErrUnexpectedEOF; more
// than [MaxPlain] bytes end with [ErrTooLarge].
func (p Part) Open() (io.ReadCloser, error) {
	raw, err := p.raw()
	if err != nil {
		return nil, err
	}
	plain, err := decompress(raw)
	if err != nil {
		raw.Close()
		if gunzip.Damaged(err) || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return &partReader{plain: plain, raw: raw, left: MaxPlain}, nil
}

// Kind tells what the part's content is.
func (p Part) Kind() (Kind, error) {
	raw, err := p.raw()
	if err != nil {
		return KindUnknown, err
	}
	defer raw.Close()
	return Sniff(raw)
}

type partReader struct {
	plain io.Reader
	raw   io.Closer
	left  int64
}

func (r *partReader) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, ErrTooLarge
	}
	if int64(len(b)) > r.left {
		b = b[:r.left]
	}
	n, err := r.plain.Read(b)
	r.left -= int64(n)
	if gunzip.Damaged(err) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *partReader) Close() error { return r.raw.Close() }
