// Package gunzip decompresses gzip, with Intel's ISA-L where the machine has it.
//
// Recordings are images in base64: nearly all Huffman codes of single bytes, of
// which ISA-L reads three at a time. It takes two fifths of the time of
// klauspost's reader, which was a tenth of all that a dense recording costs.
// The library is looked for when the program runs (libisal.so.2), because
// distributions have no static one, and do not all have it; without it, and in
// builds without C, klauspost's reader does the work.
package gunzip

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// errDamaged is what ISA-L has to say about data that is no gzip stream, or a
// damaged one.
var errDamaged = errors.New("gunzip: damaged data")

// NewReader reads the content of r, of all gzip streams that follow one another
// in it. Damaged and cut data is delivered up to there; [Damaged] knows the error,
// which is NewReader's own when not even the first header is whole.
func NewReader(r *bufio.Reader) (io.Reader, error) {
	const header = 10 // bytes (RFC 1952), without names
	switch start, err := r.Peek(header); {
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	case start[0] != 0x1f || start[1] != 0x8b || start[2] != 8:
		return nil, gzip.ErrHeader
	}
	if fast := newFast(r); fast != nil {
		return fast, nil
	}
	return gzip.NewReader(r)
}

// Damaged tells data that is cut or damaged from data that cannot be read.
func Damaged(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) ||
		errors.Is(err, errDamaged) || errors.Is(err, io.ErrUnexpectedEOF)
}
