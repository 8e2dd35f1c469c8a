package h264

import "fmt"

// sequence is what of an SPS (clause 7.3.2.1) is needed to write slices.
type sequence struct {
	rbsp         []byte // rewritten, with the NAL unit's header
	frameNumBits int
	mbs          int // macroblocks of a picture
}

// orderBits is the width of the picture order count in our slices.
const orderBits = 16

// rewriteSPS makes pictures say their order themselves (type 0) where x264
// lets it follow from frame_num (type 2), which allows no two consecutive
// pictures that no other refers to.
func rewriteSPS(nal []byte) (sequence, error) {
	b := unescape(nal)
	r := &bitReader{buf: b, at: 8}
	profile := r.u(8)
	r.u(16)
	r.ue()
	if profile != 100 {
		return sequence{}, fmt.Errorf("h264: profile %d instead of High", profile)
	}
	if chroma, luma8, chroma8, lossless, matrix := r.ue(), r.ue(), r.ue(), r.u(1), r.u(1); chroma != 1 || luma8 != 0 || chroma8 != 0 || lossless != 0 || matrix != 0 {
		return sequence{}, fmt.Errorf("h264: not 8-bit 4:2:0 with flat matrices")
	}
	s := sequence{frameNumBits: int(r.ue()) + 4}
	before := r.at
	if kind := r.ue(); kind != 2 {
		return s, fmt.Errorf("h264: picture order count type %d instead of 2", kind)
	}
	after := r.at
	r.ue()
	r.u(1)
	width, height := r.ue()+1, r.ue()+1
	if r.u(1) != 1 {
		return s, fmt.Errorf("h264: interlaced")
	}
	if r.err != nil || width > 1024 || height > 1024 || s.frameNumBits > 16 {
		return s, errShort
	}
	s.mbs = int(width * height)
	w := &bitWriter{}
	w.copy(b, 0, before)
	w.ue(0)
	w.ue(orderBits - 4)
	w.copy(b, after, end(b))
	s.rbsp = w.trail()
	return s, nil
}

// picture is what of a PPS (clause 7.3.2.2) is needed to read slices.
type picture struct {
	deblocking bool // slices say how they are deblocked
}

func parsePPS(nal []byte) (picture, error) {
	r := &bitReader{buf: unescape(nal), at: 8}
	r.ue()
	r.ue()
	cabac, bottom, groups := r.u(1), r.u(1), r.ue()
	r.ue() // references by default
	r.ue()
	weighted := r.u(3)
	r.ue() // initial quantisers
	r.ue()
	r.ue()
	p := picture{deblocking: r.u(1) == 1}
	r.u(1)
	redundant := r.u(1)
	if r.err != nil {
		return p, r.err
	}
	if cabac != 1 || bottom != 0 || groups != 0 || weighted != 0 || redundant != 0 {
		return p, fmt.Errorf("h264: not the kind of pictures that was asked for")
	}
	return p, nil
}

// deltaPPS is the id of the PPS that [Delta] pictures use.
const deltaPPS = 1

// writePPS makes the PPS of [Delta] pictures: CAVLC, one reference, slices
// that say how they are deblocked, quantiser 26 to start from.
func writePPS() []byte {
	w := &bitWriter{}
	w.put(3<<5|nalPPS, 8)
	w.ue(deltaPPS)
	w.ue(0)
	w.put(0, 2)
	w.ue(0)
	w.ue(0)
	w.ue(0)
	w.put(0, 3)
	w.se(0)
	w.se(0)
	w.se(0)
	w.put(1, 1)
	w.put(0, 2)
	return w.trail()
}
