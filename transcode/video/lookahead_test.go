package video

import (
	"encoding/binary"
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
		p := largePicture{at: at}
		for _, mb := range macroblocks {
			c := change{mb: mb, detail: 5, since: at}
			if mb == 4 {
				c.detail = 1
			}
			p.changed = append(p.changed, c)
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
	l.add(largePicture{at: 10 * time.Second, changed: []change{{mb: 0, detail: 5, since: 9 * time.Second}}})
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
