//go:build cgo && !purego && (amd64 || arm64)

package gunzip

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <isa-l/igzip_lib.h>

static void (*inflate_init)(struct inflate_state *);
static int (*inflate)(struct inflate_state *);

// load answers whether the machine has the library.
static int load(void) {
	void *lib = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL) return 0;
	inflate_init = (void (*)(struct inflate_state *))dlsym(lib, "isal_inflate_init");
	inflate = (int (*)(struct inflate_state *))dlsym(lib, "isal_inflate");
	return inflate_init != NULL && inflate != NULL;
}

// begin makes s ready for a gzip stream, its header and checksum included.
static void begin(struct inflate_state *s) {
	inflate_init(s);
	s->crc_flag = ISAL_GZIP;
}

// step goes on with a stream, and answers 1 at its end, 0 before that, and
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

// Fast tells whether ISA-L is used.
func Fast() bool { return load() }

// state is memory for ISA-L's own. To the collector it has no pointers: ISA-L
// moves those that it has to the ends of buffers, where other memory begins.
type state [(unsafe.Sizeof(C.struct_inflate_state{}) + 7) / 8]uint64

func (s *state) c() *C.struct_inflate_state { return (*C.struct_inflate_state)(unsafe.Pointer(s)) }

// fast is a reader that ISA-L works for.
type fast struct {
	in    *bufio.Reader
	state *state
	ended bool  // the stream; another may follow
	err   error // for good
}

func newFast(r *bufio.Reader) io.Reader {
	if !load() {
		return nil
	}
	f := &fast{in: r, state: new(state)}
	f.err = f.begin()
	return f
}

// begin is for the start of a stream. ISA-L does not look at the flags that must
// be zero (RFC 1952, section 2.3.1.2), as other readers do.
func (f *fast) begin() error {
	C.begin(f.state.c())
	start, err := f.in.Peek(4)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case len(start) == 4 && start[3]&0xe0 != 0:
		return errDamaged
	}
	return nil
}

func (f *fast) Read(p []byte) (int, error) {
	for f.err == nil && len(p) > 0 {
		n, err := f.step(p[:min(len(p), math.MaxInt32)])
		f.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, f.err
}

// step writes to p what the input at hand gives.
func (f *fast) step(p []byte) (int, error) {
	_, err := f.in.Peek(1) // what is wrong is told of when no more output waits
	switch {
	case f.ended && err != nil:
		return 0, err // io.EOF where it must be
	case f.ended:
		f.ended = false
		if err := f.begin(); err != nil {
			return 0, err
		}
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	in, _ := f.in.Peek(f.in.Buffered())
	inLeft, outLeft := C.uint32_t(len(in)), C.uint32_t(len(p))
	r := C.step(f.state.c(), (*C.uint8_t)(unsafe.SliceData(in)), &inLeft, (*C.uint8_t)(unsafe.SliceData(p)), &outLeft)
	_, _ = f.in.Discard(len(in) - int(inLeft))
	n := len(p) - int(outLeft)
	switch {
	case r < 0:
		return n, errDamaged
	case r > 0:
		f.ended = true
		return n, nil
	case n > 0:
		return n, nil
	default:
		return 0, err
	}
}
