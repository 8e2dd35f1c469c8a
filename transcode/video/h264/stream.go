package h264

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Stream merges x264's pictures and delta pictures into one stream. Packets have the
// format of MP4 and Matroska: NAL units with a length of four bytes before each.
type Stream struct {
	sps              sps
	pps              pps
	spsNAL, ppsNAL   []byte // NAL units
	picturesSinceIDR uint32

	// Since the last IDR, without wrapping around:
	frameNum     uint32   // of the last picture
	x264FrameNum uint32   // frame_num that x264 would write
	shortTerm    []uint32 // frame_num of x264's pictures in the decoder's buffer
	hasLongTerm  bool     // long-term picture 0 is a delta
	lastIsDelta  bool     // the last picture is that delta
}

// ErrUnexpected is wrapped by errors about a stream that [Stream] does not support:
// x264 was used with other settings.
var ErrUnexpected = errors.New("unexpected H.264 stream from x264")

// AddNAL takes one NAL unit of x264. It returns a packet if the unit is a picture,
// otherwise nil. Errors are [ErrUnexpected].
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
			return nil, false, fmt.Errorf("%w: the SPS changed", ErrUnexpected)
		}
		s.sps, s.spsNAL = sps, rewritten
		return nil, false, nil
	case nalPPS:
		pps, err := parsePPS(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		if s.ppsNAL != nil && string(s.ppsNAL) != string(nal) {
			return nil, false, fmt.Errorf("%w: the PPS changed", ErrUnexpected)
		}
		s.pps, s.ppsNAL = pps, append(s.ppsNAL[:0], nal...)
		return nil, false, nil
	case nalSlice, nalIDR:
		if s.spsNAL == nil || s.ppsNAL == nil {
			return nil, false, fmt.Errorf("%w: a picture before SPS and PPS", ErrUnexpected)
		}
		packet, err := s.rewriteSlice(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		return packet, nal[0]&31 == nalIDR, nil
	}
	return nil, false, fmt.Errorf("%w: NAL unit of type %d", ErrUnexpected, nal[0]&31)
}

// rewriteSlice inserts the picture order count into a slice of x264 (clause 7.3.3)
// and replaces frame_num by one that counts deltas as well.
func (s *Stream) rewriteSlice(nal []byte) ([]byte, error) {
	b := unescape(nal)
	r := &bitReader{buf: b, pos: 8}
	idr := nal[0]&31 == nalIDR
	firstMB, sliceType, ppsID := r.ue(), r.ue(), r.ue()
	if firstMB != 0 || ppsID != 0 || nal[0]>>5 == 0 {
		return nil, fmt.Errorf("slice with first macroblock %d, PPS %d, want 0 and 0", firstMB, ppsID)
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
		return nil, fmt.Errorf("frame_num %d, want %d", frameNum, s.x264FrameNum)
	}
	pocAt := r.pos
	switch sliceType % 5 {
	case 0: // P
		if r.u(1) == 1 {
			r.ue()
		}
		if r.u(1) == 1 { // its indexes would have to count deltas as well
			return nil, errors.New("modified reference picture list")
		}
	case 2: // I
	default:
		return nil, fmt.Errorf("unsupported slice type %d", sliceType)
	}
	if idr {
		r.u(2)
	} else if r.u(1) == 1 {
		return nil, errors.New("memory management commands")
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

// slideWindow does what a decoder does after a picture of x264: it adds the picture
// to the reference pictures and removes the oldest if there are too many (clause
// 8.2.5.3).
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

// AddDelta returns the packet of a delta picture: the last picture of either kind
// plus the residual from [DeltaEncoder.Encode]. It becomes long-term picture 0, which
// follows all short-term pictures in x264's reference lists.
func (s *Stream) AddDelta(d DeltaSlice) []byte {
	s.frameNum++
	w := &bitWriter{}
	w.put(1<<5|nalSlice, 8)
	w.ue(0)
	w.ue(0) // P
	w.ue(deltaPPSID)
	w.put(s.frameNum, frameNumBits)
	w.put(2*s.picturesSinceIDR, pocBits)
	w.put(0, 1)        // number of references as in the PPS: one
	if s.lastIsDelta { // refer to the last delta, not to x264's last picture
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

// writeRefPicMarking writes dec_ref_pic_marking (clause 7.3.3.3) of a delta, which
// replaces the delta before.
func (s *Stream) writeRefPicMarking(w *bitWriter) {
	w.put(1, 1)
	if len(s.shortTerm) == s.sps.refFrames { // make room for the first delta
		w.ue(1)
		w.ue(s.frameNum - s.shortTerm[0] - 1)
		s.shortTerm = s.shortTerm[1:]
	}
	if !s.hasLongTerm {
		w.ue(4)
		w.ue(1) // at most one long-term picture
		s.hasLongTerm = true
	}
	w.ue(6)
	w.ue(0)
	w.ue(0)
}

// lengthPrefixed returns the NAL unit of header and rest, after its length.
func lengthPrefixed(header, rest []byte) []byte {
	body := slices.Concat(header, rest)
	out := escape(make([]byte, 4, len(body)+len(body)/64+8), body)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// DecoderConfig returns the decoder configuration (avcC of ISO/IEC 14496-15). It is
// valid once a picture has been added.
func (s *Stream) DecoderConfig() []byte {
	c := []byte{1, s.spsNAL[1], s.spsNAL[2], s.spsNAL[3], 0xFC | 3, 0xE0 | 1}
	c = append(binary.BigEndian.AppendUint16(c, uint16(len(s.spsNAL))), s.spsNAL...)
	c = append(c, 2)
	for _, pps := range [][]byte{s.ppsNAL, escape(nil, writePPS())} {
		c = append(binary.BigEndian.AppendUint16(c, uint16(len(pps))), pps...)
	}
	return append(c, 0xFC|1, 0xF8, 0xF8, 0) // 4:2:0, 8 bits, no extensions
}
