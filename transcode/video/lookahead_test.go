package video

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// TestQuantizersFollowStays gives the lookahead pictures of which some macroblocks
// change at once, later, or not again.
func TestQuantizersFollowStays(t *testing.T) {
	t.Parallel()
	opt := Options{Width: 64, Height: 32, CRF: 29, FPS: 15}
	l := newLookahead(opt)
	picture := func(at time.Duration, macroblocks ...int32) {
		var changed []change
		for _, mb := range macroblocks {
			changed = append(changed, change{mb, at})
		}
		r := rand.New(rand.NewPCG(1, 2))
		p := largePicture{at: at, cluster: make([]byte, 5+64*32*3/2), samples: 5, changed: changed}
		for i := range p.cluster {
			p.cluster[i] = uint8(r.IntN(256))
		}
		for i := range 16 { // macroblock 4 is plain
			clear(p.cluster[5+(16+i)*64:][:16])
			for c := range 2 {
				clear(p.cluster[5+64*32*(4+c)/4+(8+i/2)*32:][:8])
			}
		}
		l.add(p)
	}
	picture(0, 0, 1, 2, 3, 4, 5)
	picture(minStay, 1, 4)
	picture(5*minStay, 1, 2, 4)
	picture(2*maxStay, 1)
	if l.ready(maxStay-1) || !l.ready(maxStay) {
		t.Error("the first picture is not ready after maxStay")
	}
	take := func() (at time.Duration, qp [8]float64) {
		p := l.take()
		for mb := range qp {
			qp[mb] = float64(int16(binary.BigEndian.Uint16(p.offsets[2*mb:])))/256 + x264BaseQP
		}
		return p.at, qp
	}
	fine := l.quantizer.fine
	at, qp := take()
	if at != 0 || qp[3] != fine || qp[5] != fine {
		t.Errorf("%s: QPs %v, want %g for what stays", at, qp, fine)
	}
	if !(qp[1] > qp[2] && qp[2] > qp[3]) {
		t.Errorf("QPs %v of what changes after %s, %s and not again", qp[1:4], minStay, 5*minStay)
	}
	if !(qp[4] < qp[1]) {
		t.Errorf("QP %g of a plain macroblock, %g of one with detail", qp[4], qp[1])
	}
	if qp[6] != x264BaseQP {
		t.Errorf("QP %g of what has not changed", qp[6])
	}
	before := qp
	if at, qp = take(); at != minStay || qp[0] != before[0] || qp[2] != before[2] {
		t.Errorf("%s: QPs %v after %v, want the same for what has not changed", at, qp, before)
	}
	l.add(largePicture{at: 10 * time.Second, cluster: make([]byte, 64*32*3/2), changed: []change{{0, 9 * time.Second}}})
	picture(10*time.Second+minStay, 0)
	take()
	take()
	if _, qp = take(); qp[0] > fine+5 {
		t.Errorf("QP %g of what x264 has not encoded before but has been shown for a second", qp[0])
	}
	for range l.limit + 1 {
		picture(0)
	}
	if !l.ready(0) {
		t.Error("the first picture waits although there are too many")
	}
}

// TestVarianceAtEdges checks macroblocks that are only partly inside the picture.
func TestVarianceAtEdges(t *testing.T) {
	t.Parallel()
	q := newQuantizer(Options{Width: 20, Height: 18, CRF: 29, FPS: 15})
	p := newPlanes(20, 18)
	for i := range p.pix {
		p.pix[i] = 100
	}
	for mb := range 4 {
		if v := q.variance(p.pix, mb); v != 0 {
			t.Errorf("macroblock %d: %g, want 0", mb, v)
		}
	}
	p.pix[17*20+19] = 116 // in macroblock 3, of which 4×2 pixels are inside
	if v, want := q.variance(p.pix, 3), 256.0*(16*16/8.0-2*2); v != want {
		t.Errorf("%g, want %g", v, want)
	}
}

// TestFilmsAreFiner checks pictures that each change most of the screen.
func TestFilmsAreFiner(t *testing.T) {
	t.Parallel()
	qp := func(pictures int, changes func(i int) int) float64 {
		q := newQuantizer(Options{Width: 64, Height: 32, CRF: 29, FPS: 15})
		pix := make([]byte, 64*32*3/2)
		var offsets []byte
		for i := range pictures {
			changed := make([]change, changes(i))
			for mb := range changed {
				changed[mb].mb = int32(mb)
			}
			offsets = q.update(pix, changed, func(change) time.Duration { return minStay })
		}
		return float64(int16(binary.BigEndian.Uint16(offsets))) / 256
	}
	most := func(int) int { return 7 }
	if short, film := qp(filmMinRun-1, most), qp(filmMinRun, most); short-film != filmQP {
		t.Errorf("QP %g in a short run, %g in a film", short, film)
	}
	if busy, half := qp(30, func(i int) int { return 7 - i%5 }), qp(1, most); busy != half {
		t.Errorf("QP %g on a busy screen, %g in a single picture", busy, half)
	}
}
