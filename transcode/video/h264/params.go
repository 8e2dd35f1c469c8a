package h264

import "fmt"

// sps holds the fields of an SPS (clause 7.3.2.1) that are needed to write slices.
type sps struct {
	rbsp         []byte // rewritten, with the NAL unit header
	frameNumBits int    // in x264's slices
	refFrames    int    // reference pictures, including one delta
	macroblocks  int    // in a picture
}

// Bits of pic_order_cnt_lsb and frame_num in our slices. frame_num must distinguish
// all reference pictures, however many deltas are between them.
const (
	pocBits      = 16
	frameNumBits = 16
)

// rewriteSPS changes pic_order_cnt_type from 2, where the order follows from
// frame_num, to 0, where slices give it. It also adds one reference picture for a
// delta.
func rewriteSPS(nal []byte) (sps, error) {
	b := unescape(nal)
	r := &bitReader{buf: b, pos: 8}
	w := &bitWriter{}
	copied := 0
	copyRead := func() { // copies all bits read so far
		w.copyBits(b, copied, r.pos)
		copied = r.pos
	}
	// Without 8×8 transforms x264 writes the Main profile, which is a subset of High.
	// The additional fields of High are then written here.
	profile := r.u(8)
	r.u(8)
	level := r.u(8)
	id := r.ue()
	switch profile {
	case 77:
	case 100:
		if chroma, luma8, chroma8, lossless, matrix := r.ue(), r.ue(), r.ue(), r.u(1), r.u(1); chroma != 1 || luma8 != 0 || chroma8 != 0 || lossless != 0 || matrix != 0 {
			return sps{}, fmt.Errorf("h264: only 8-bit 4:2:0 with flat matrices is supported")
		}
	default:
		return sps{}, fmt.Errorf("h264: profile %d, want Main or High", profile)
	}
	w.put(uint32(b[0]), 8)
	w.put(100, 8)
	w.put(0, 8) // no constraint flags
	w.put(level, 8)
	w.ue(id)
	w.ue(1) // 4:2:0
	w.ue(0) // 8 bits
	w.ue(0)
	w.put(0, 2) // flat matrices, not lossless
	copied = r.pos
	s := sps{frameNumBits: int(r.ue()) + 4}
	w.ue(frameNumBits - 4)
	copied = r.pos
	if pocType := r.ue(); pocType != 2 {
		return s, fmt.Errorf("h264: picture order count type %d, want 2", pocType)
	}
	w.ue(0)
	w.ue(pocBits - 4)
	s.refFrames = int(r.ue()) + 1
	w.ue(uint32(s.refFrames))
	copied = r.pos
	r.u(1)
	width, height := r.ue()+1, r.ue()+1
	if r.u(1) != 1 {
		return s, fmt.Errorf("h264: interlaced video is not supported")
	}
	r.u(1)
	if r.u(1) == 1 { // cropping
		for range 4 {
			r.ue()
		}
	}
	if r.u(1) == 1 {
		restricted, err := readVUI(r)
		if err != nil {
			return s, err
		}
		if restricted {
			copyRead()
			w.ue(max(r.ue()+1, uint32(s.refFrames)))
			copied = r.pos
		}
	}
	if r.err != nil || width > 1024 || height > 1024 || s.frameNumBits > 16 || s.refFrames > 16 {
		return s, errTruncated
	}
	s.macroblocks = int(width * height)
	w.copyBits(b, copied, rbspBits(b))
	s.rbsp = w.finishRBSP()
	s.rbsp[3] = max(s.rbsp[3], levelFor(s.macroblocks*s.refFrames))
	return s, nil
}

// readVUI reads vui_parameters (clause E.1.1), as x264 writes them, up to
// max_dec_frame_buffering. It returns false if that field is missing.
func readVUI(r *bitReader) (restricted bool, err error) {
	if r.u(1) == 1 && r.u(8) == 255 { // aspect ratio
		r.u(32)
	}
	if r.u(1) == 1 { // overscan
		r.u(1)
	}
	if r.u(1) == 1 { // colours
		r.u(4)
		if r.u(1) == 1 {
			r.u(24)
		}
	}
	if r.u(1) == 1 { // chroma location
		r.ue()
		r.ue()
	}
	if r.u(1) == 1 { // timing
		r.u(32)
		r.u(32)
		r.u(1)
	}
	if r.u(2) != 0 {
		return false, fmt.Errorf("h264: HRD parameters are not supported")
	}
	r.u(1)
	if r.u(1) == 0 {
		return false, nil
	}
	r.u(1)
	for range 5 {
		r.ue()
	}
	return true, nil
}

// levelFor returns the lowest level, 3.1 or above, whose decoded picture buffer holds
// mbs macroblocks (table A-1).
func levelFor(mbs int) byte {
	for _, l := range []struct {
		idc byte
		mbs int
	}{{31, 18000}, {32, 20480}, {40, 32768}, {42, 34816}, {50, 110400}, {51, 184320}} {
		if mbs <= l.mbs {
			return l.idc
		}
	}
	return 60
}

// pps holds the fields of a PPS (clause 7.3.2.2) that are needed to read slices.
type pps struct {
	deblocking bool // slices have deblocking parameters
}

func parsePPS(nal []byte) (pps, error) {
	r := &bitReader{buf: unescape(nal), pos: 8}
	r.ue()
	r.ue()
	cabac, bottom, groups := r.u(1), r.u(1), r.ue()
	r.ue() // default numbers of references
	r.ue()
	weighted := r.u(3)
	r.ue() // initial QPs
	r.ue()
	r.ue()
	p := pps{deblocking: r.u(1) == 1}
	r.u(1)
	redundant := r.u(1)
	if r.err != nil {
		return p, r.err
	}
	if cabac != 1 || bottom != 0 || groups != 0 || weighted != 0 || redundant != 0 {
		return p, fmt.Errorf("h264: PPS with unsupported coding tools")
	}
	return p, nil
}

// deltaPPSID is the id of the PPS of delta pictures.
const deltaPPSID = 1

// writePPS returns the PPS of delta pictures: CAVLC, one reference picture,
// deblocking parameters in slices, initial QP 26.
func writePPS() []byte {
	w := &bitWriter{}
	w.put(3<<5|nalPPS, 8)
	w.ue(deltaPPSID)
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
	return w.finishRBSP()
}
