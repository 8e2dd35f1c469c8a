package h264

import (
	"errors"
	"math/bits"
)

// bitWriter writes bits, the most significant first.
type bitWriter struct {
	buf     []byte
	acc     uint64 // bits that do not fill a byte yet, right-aligned
	accBits int    // number of bits in acc, less than 8
}

// put writes the lowest n bits of v; n is at most 32.
func (w *bitWriter) put(v uint32, n int) {
	w.acc = w.acc<<n | uint64(v)&(1<<n-1)
	w.accBits += n
	for w.accBits >= 8 {
		w.accBits -= 8
		w.buf = append(w.buf, byte(w.acc>>w.accBits))
	}
}

// ue writes the unsigned Exp-Golomb code of v (clause 9.1), se the signed one.
func (w *bitWriter) ue(v uint32) {
	n := bits.Len32(v + 1)
	w.put(0, n-1)
	w.put(v+1, n)
}

func (w *bitWriter) se(v int) {
	if v > 0 {
		w.ue(uint32(2*v - 1))
	} else {
		w.ue(uint32(-2 * v))
	}
}

// len returns the number of bits written.
func (w *bitWriter) len() int { return 8*len(w.buf) + w.accBits }

// copyBits appends the bits [from, to) of b.
func (w *bitWriter) copyBits(b []byte, from, to int) {
	for ; from < to && from%8 != 0; from++ {
		w.put(uint32(b[from/8]>>(7-from%8)), 1)
	}
	for ; from+8 <= to; from += 8 {
		w.put(uint32(b[from/8]), 8)
	}
	for ; from < to; from++ {
		w.put(uint32(b[from/8]>>(7-from%8)), 1)
	}
}

// finishRBSP writes the RBSP trailing bits, which are a one and zeros up to a whole
// byte, and returns the RBSP.
func (w *bitWriter) finishRBSP() []byte {
	w.put(1, 1)
	w.put(0, (8-w.accBits)%8)
	return w.buf
}

// errTruncated means that a syntax structure is truncated.
var errTruncated = errors.New("h264: truncated NAL unit")

// bitReader reads the bits of an RBSP. After its end, reads return zeros and set err.
type bitReader struct {
	buf []byte
	pos int // next bit
	err error
}

func (r *bitReader) bit() uint32 {
	if r.pos >= 8*len(r.buf) {
		r.err = errTruncated
		return 0
	}
	v := uint32(r.buf[r.pos/8]>>(7-r.pos%8)) & 1
	r.pos++
	return v
}

func (r *bitReader) u(n int) uint32 {
	var v uint32
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

func (r *bitReader) ue() uint32 {
	zeros := 0
	for r.bit() == 0 {
		if zeros++; zeros > 31 || r.err != nil {
			r.err = errTruncated
			return 0
		}
	}
	return 1<<zeros - 1 + r.u(zeros)
}

// rbspBits returns the number of bits of an RBSP before its trailing bits.
func rbspBits(b []byte) int {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	if n == 0 {
		return 0
	}
	return 8*n - 1 - bits.TrailingZeros8(b[n-1])
}
