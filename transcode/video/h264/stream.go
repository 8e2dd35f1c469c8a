package h264

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Stream makes one stream of x264's pictures and of [Delta] pictures between
// them. Packets are as MP4 and Matroska have them: NAL units, each after its
// length in four bytes.
type Stream struct {
	sps              sps
	pps              pps
	spsNAL, ppsNAL   []byte // NAL units
	picturesSinceIDR uint32 // pictures since the last IDR

	// Since the last IDR, and without wrapping around:
	frameNum     uint32   // of the last picture
	x264FrameNum uint32   // the same as x264 counts
	shortTerm    []uint32 // frame_num of x264's pictures that a decoder keeps
	hasLongTerm  bool     // it keeps a delta, as long-term picture 0
	lastIsDelta  bool     // the last picture is that delta
}

// ErrUnexpected is wrapped by errors about a stream of another kind than x264
// makes with the settings that [Stream] is made for.
var ErrUnexpected = errors.New("x264's stream is not as expected")

// NAL takes one NAL unit of x264's. It answers a packet when the unit is a
// picture, and nil otherwise. Errors are [ErrUnexpected].
func (s *Stream) AddNAL(nal []byte) (packet []byte, key bool, err error) {
	switch nal[0] & 31 {
	case nalSEI, nalAUD:
		return nil, false, nil
	case nalSPS:
		sps, err := rewriteSPS(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		rewritten := escape(nil, sps.rbsp)
		if s.spsNAL != nil && string(s.spsNAL) != string(rewritten) {
			return nil, false, fmt.Errorf("%w: a second SPS", ErrUnexpected)
		}
		s.sps, s.spsNAL = sps, rewritten
		return nil, false, nil
	case nalPPS:
		pps, err := parsePPS(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		s.pps, s.ppsNAL = pps, append(s.ppsNAL[:0], nal...)
		return nil, false, nil
	case nalSlice, nalIDR:
		if s.spsNAL == nil || s.ppsNAL == nil {
			return nil, false, fmt.Errorf("%w: a picture before its parameters", ErrUnexpected)
		}
		packet, err := s.rewriteSlice(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		return packet, nal[0]&31 == nalIDR, nil
	}
	return nil, false, fmt.Errorf("%w: NAL unit of type %d", ErrUnexpected, nal[0]&31)
}

// slice gives a slice of x264's (clause 7.3.3) its picture order count and the
// frame_num that it has with deltas before it.
func (s *Stream) rewriteSlice(nal []byte) ([]byte, error) {
	b := unescape(nal)
	r := &bitReader{buf: b, pos: 8}
	idr := nal[0]&31 == nalIDR
	firstMB, sliceType, ppsID := r.ue(), r.ue(), r.ue()
	if firstMB != 0 || ppsID != 0 || nal[0]>>5 == 0 {
		return nil, fmt.Errorf("slice at macroblock %d, PPS %d", firstMB, ppsID)
	}
	frameNumAt := r.pos
	frameNum := r.u(s.sps.frameNumBits)
	frameNumEnd := r.pos
	if idr {
		r.ue()
		s.picturesSinceIDR, s.x264FrameNum, s.frameNum, s.shortTerm, s.hasLongTerm = 0, 0, 0, s.shortTerm[:0], false
	} else {
		s.x264FrameNum++
		s.frameNum++
	}
	if frameNum != s.x264FrameNum&(1<<s.sps.frameNumBits-1) {
		return nil, fmt.Errorf("frame_num %d instead of %d", frameNum, s.x264FrameNum)
	}
	pocAt := r.pos
	switch sliceType % 5 {
	case 0: // P
		if r.u(1) == 1 {
			r.ue()
		}
		if r.u(1) == 1 { // it would count our pictures as well
			return nil, errors.New("references in another order")
		}
	case 2: // I
	default:
		return nil, fmt.Errorf("slice type %d", sliceType)
	}
	if idr {
		r.u(2)
	} else if r.u(1) == 1 {
		return nil, errors.New("memory management of its own")
	}
	if sliceType%5 == 0 {
		r.ue() // cabac_init_idc
	}
	r.ue() // slice_qp_delta
	if s.pps.deblocking && r.ue() != 1 {
		r.ue()
		r.ue()
	}
	if r.err != nil {
		return nil, r.err
	}
	w := &bitWriter{buf: make([]byte, 0, len(b)+8)}
	w.copyBits(b, 0, frameNumAt)
	w.put(s.frameNum, frameNumBits)
	w.copyBits(b, frameNumEnd, pocAt)
	w.put(2*s.picturesSinceIDR, pocBits)
	w.copyBits(b, pocAt, r.pos)
	for w.accBits != 0 { // cabac_alignment_one_bit
		w.put(1, 1)
	}
	s.picturesSinceIDR++
	s.slideWindow()
	return lengthPrefixed(w.buf, b[(r.pos+7)/8:]), nil
}

// keep is what a decoder does with x264's picture: it is kept, and the oldest
// goes when there are too many (clause 8.2.5.3).
func (s *Stream) slideWindow() {
	s.lastIsDelta = false
	s.shortTerm = append(s.shortTerm, s.frameNum)
	capacity := s.sps.refFrames
	if s.hasLongTerm {
		capacity--
	}
	if len(s.shortTerm) > capacity {
		s.shortTerm = s.shortTerm[1:]
	}
}

// Delta makes a packet of a picture between x264's: the last picture, of
// whichever kind, changed by what [Delta.Encode] found. It becomes long-term
// picture 0, which stands behind all that x264 refers to.
func (s *Stream) AddDelta(d DeltaSlice) []byte {
	s.frameNum++
	w := &bitWriter{}
	w.put(1<<5|nalSlice, 8)
	w.ue(0)
	w.ue(0) // P
	w.ue(deltaPPSID)
	w.put(s.frameNum, frameNumBits)
	w.put(2*s.picturesSinceIDR, pocBits)
	w.put(0, 1)        // as many references as the PPS says: one
	if s.lastIsDelta { // the delta before, not the last picture of x264
		w.put(1, 1)
		w.ue(2)
		w.ue(0)
		w.ue(3)
	} else {
		w.put(0, 1)
	}
	s.writeRefPicMarking(w)
	w.se(d.qp - 26)
	w.ue(1) // no deblocking
	w.copyBits(d.bits, 0, d.bitCount)
	if d.trailingSkips > 0 {
		w.ue(uint32(d.trailingSkips))
	}
	s.picturesSinceIDR++
	s.lastIsDelta = true
	return lengthPrefixed(w.finishRBSP(), nil)
}

// manage writes dec_ref_pic_marking (clause 7.3.3.3) of a delta: it is kept in
// place of the delta before.
func (s *Stream) writeRefPicMarking(w *bitWriter) {
	w.put(1, 1)
	if len(s.shortTerm) == s.sps.refFrames { // the first delta needs room
		w.ue(1)
		w.ue(s.frameNum - s.shortTerm[0] - 1)
		s.shortTerm = s.shortTerm[1:]
	}
	if !s.hasLongTerm {
		w.ue(4)
		w.ue(1) // one long-term picture at most
		s.hasLongTerm = true
	}
	w.ue(6)
	w.ue(0)
	w.ue(0)
}

// packet is a NAL unit of head and rest, after its length.
func lengthPrefixed(header, rest []byte) []byte {
	body := slices.Concat(header, rest)
	out := escape(make([]byte, 4, len(body)+len(body)/64+8), body)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// Config is the decoder configuration (avcC of ISO/IEC 14496-15) once the
// first picture has been taken.
func (s *Stream) DecoderConfig() []byte {
	c := []byte{1, s.spsNAL[1], s.spsNAL[2], s.spsNAL[3], 0xFC | 3, 0xE0 | 1}
	c = append(binary.BigEndian.AppendUint16(c, uint16(len(s.spsNAL))), s.spsNAL...)
	c = append(c, 2)
	for _, pps := range [][]byte{s.ppsNAL, escape(nil, writePPS())} {
		c = append(binary.BigEndian.AppendUint16(c, uint16(len(pps))), pps...)
	}
	return append(c, 0xFC|1, 0xF8, 0xF8, 0) // 4:2:0, 8 bits, no extensions
}
