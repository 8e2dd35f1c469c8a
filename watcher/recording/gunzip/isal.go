//go:build cgo && !purego && (amd64 || arm64)

package gunzip

/*
#include <stddef.h>
#include "isal.h"

// begin makes s ready for a gzip stream, its header and checksum included.
static void begin(struct inflate_state *s) {
	inflate_init(s);
	s->crc_flag = ISAL_GZIP;
}

// step continues a stream, and returns 1 at its end, 0 before that, and
// a negative number when the data is damaged. in_len and out_len become what
// is left of each. No pointer stays in s.
static int step(struct inflate_state *s, uint8_t *in, uint32_t *in_len, uint8_t *out, uint32_t *out_len) {
	s->next_in = in;
	s->avail_in = *in_len;
	s->next_out = out;
	s->avail_out = *out_len;
	int r = inflate(s);
	*in_len = s->avail_in;
	*out_len = s->avail_out;
	s->next_in = s->next_out = NULL;
	if (r < 0) return r;
	return s->block_state == ISAL_BLOCK_FINISH;
}
*/
import "C"

import (
	"bufio"
	"errors"
	"io"
	"math"
	"sync"
	"unsafe"
)

var load = sync.OnceValue(func() bool { return C.load() != 0 })

// Fast reports whether ISA-L is used.
func Fast() bool { return load() }

// state is memory for ISA-L's state. For the garbage collector it contains no
// pointers: ISA-L moves its pointers to the ends of buffers, where other memory
// begins.
type state [(unsafe.Sizeof(C.struct_inflate_state{}) + 7) / 8]uint64

func (s *state) c() *C.struct_inflate_state { return (*C.struct_inflate_state)(unsafe.Pointer(s)) }

// fast is a stream that ISA-L decompresses.
type fast struct {
	in    *bufio.Reader
	state *state
	ended bool
}

// newFast returns nil if ISA-L is not available.
func newFast(r *bufio.Reader) stream {
	if !load() {
		return nil
	}
	return &fast{in: r, state: new(state)}
}

// begin checks the header at the start of a stream. Unlike other readers, ISA-L
// does not check the flags that must be zero (RFC 1952, section 2.3.1.2).
func (f *fast) begin() error {
	C.begin(f.state.c())
	f.ended = false
	start, err := f.in.Peek(4)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case len(start) == 4 && start[3]&0xe0 != 0:
		return ErrDamaged
	}
	return nil
}

func (f *fast) Read(p []byte) (int, error) {
	for len(p) > 0 && !f.ended {
		n, err := f.step(p[:min(len(p), math.MaxInt32)])
		if n > 0 || err != nil {
			return n, err
		}
	}
	if f.ended {
		return 0, io.EOF
	}
	return 0, nil
}

// step decompresses the available input into p.
func (f *fast) step(p []byte) (int, error) {
	_, err := f.in.Peek(1) // an error is returned when all output was delivered
	if errors.Is(err, io.EOF) {
		err = ErrCut
	}
	in, _ := f.in.Peek(f.in.Buffered())
	inLeft, outLeft := C.uint32_t(len(in)), C.uint32_t(len(p))
	r := C.step(f.state.c(), (*C.uint8_t)(unsafe.SliceData(in)), &inLeft, (*C.uint8_t)(unsafe.SliceData(p)), &outLeft)
	_, _ = f.in.Discard(len(in) - int(inLeft))
	n := len(p) - int(outLeft)
	switch {
	case r == C.ISAL_INCORRECT_CHECKSUM:
		return n, ErrChecksum
	case r < 0:
		return n, ErrDamaged
	case r > 0:
		f.ended = true
		return n, nil
	case n > 0:
		return n, nil
	default:
		return 0, err
	}
}
