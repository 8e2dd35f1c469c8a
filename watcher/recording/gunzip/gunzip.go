// Package gunzip decompresses gzip, with Intel's ISA-L if it is available.
//
// Recordings are images in base64: nearly all their Huffman codes stand for single
// bytes, of which ISA-L decodes three at a time. It takes two fifths of the time of
// klauspost's reader. Decompression was a tenth of the time that a dense recording
// takes.
//
// Static builds (the tag static) contain ISA-L. Others load libisal.so.2 at run
// time, because distributions have no static library, and not all have a shared
// one. Without it, and in builds without C, klauspost's reader is used.
package gunzip

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// Errors of compressed data. Everything before the error is delivered.
var (
	ErrCut      = errors.New("the compressed data ends too early")
	ErrDamaged  = errors.New("the compressed data is damaged")
	ErrChecksum = errors.New("the checksum of the compressed data is wrong")
	// ErrTrailing is returned for bytes after the last stream that are neither a
	// stream nor zeros. The streams before them are complete.
	ErrTrailing = errors.New("other bytes follow the compressed data")
)

// Damaged reports whether an error is about the data, and not about reading it.
func Damaged(err error) bool {
	return errors.Is(err, ErrCut) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrChecksum) || errors.Is(err, ErrTrailing)
}

// NewReader returns a reader of the content of r: of all gzip streams that follow
// one another in it. Like gzip(1) it ignores zeros after them, which tapes and some
// disks add. [Damaged] recognizes errors of the data. NewReader itself returns such
// an error if the first header is incomplete.
func NewReader(r *bufio.Reader) (io.Reader, error) {
	const header = 10 // bytes (RFC 1952), without names
	switch start, err := r.Peek(header); {
	case errors.Is(err, io.EOF):
		return nil, ErrCut
	case err != nil:
		return nil, err
	case start[0] != 0x1f || start[1] != 0x8b || start[2] != 8:
		return nil, ErrDamaged
	}
	if fast := newFast(r); fast != nil {
		return newStreams(r, fast)
	}
	return newStreams(r, &slow{in: r})
}

// stream decompresses one gzip stream, up to io.EOF.
type stream interface {
	io.Reader

	// begin starts with the stream that begins at the input's next byte.
	begin() error
}

// streams decompresses one stream after the other.
type streams struct {
	in      *bufio.Reader
	current stream
	err     error // permanent
}

func newStreams(in *bufio.Reader, s stream) (io.Reader, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	return &streams{in: in, current: s}, nil
}

func (s *streams) Read(p []byte) (int, error) {
	for s.err == nil && len(p) > 0 {
		n, err := s.current.Read(p)
		if err == io.EOF { //nolint:errorlint // a stream's own
			err = s.next()
		}
		s.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, s.err
}

// next continues after the end of a stream.
func (s *streams) next() error {
	start, err := s.in.Peek(2)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case len(start) == 2 && start[0] == 0x1f && start[1] == 0x8b:
		return s.current.begin()
	case len(start) == 1 && start[0] == 0x1f:
		return ErrCut
	}
	for {
		b, err := s.in.ReadByte()
		if err != nil {
			return err // io.EOF at the end of the input
		}
		if b != 0 {
			return ErrTrailing
		}
	}
}

// slow is klauspost's reader.
type slow struct {
	in *bufio.Reader
	z  gzip.Reader
}

func (s *slow) begin() error {
	err := s.z.Reset(s.in)
	s.z.Multistream(false)
	return named(err, true)
}

func (s *slow) Read(p []byte) (int, error) {
	n, err := s.z.Read(p)
	return n, named(err, false)
}

// named returns our errors for klauspost's.
func named(err error, beginning bool) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), beginning && errors.Is(err, io.EOF):
		return ErrCut
	case errors.Is(err, gzip.ErrChecksum):
		return ErrChecksum
	case errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return ErrDamaged
	}
	return err
}
