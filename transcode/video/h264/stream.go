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
	seq      sequence
	pic      picture
	sps, pps []byte // NAL units
	order    uint32 // pictures since the last IDR

	// Since the last IDR, and without wrapping around:
	frameNum uint32   // of the last picture
	own      uint32   // the same as x264 counts
	short    []uint32 // frame_num of x264's pictures that a decoder keeps
	long     bool     // it keeps a delta, as long-term picture 0
	chained  bool     // the last picture is that delta
}

// ErrUnexpected is wrapped by errors about a stream of another kind than x264
// makes with the settings that [Stream] is made for.
var ErrUnexpected = errors.New("x264's stream is not as expected")

// NAL takes one NAL unit of x264's. It answers a packet when the unit is a
// picture, and nil otherwise. Errors are [ErrUnexpected].
func (s *Stream) NAL(nal []byte) (packet []byte, key bool, err error) {
	switch nal[0] & 31 {
	case nalSEI, nalAUD:
		return nil, false, nil
	case nalSPS:
		seq, err := rewriteSPS(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		sps := escape(nil, seq.rbsp)
		if s.sps != nil && string(s.sps) != string(sps) {
			return nil, false, fmt.Errorf("%w: a second SPS", ErrUnexpected)
		}
		s.seq, s.sps = seq, sps
		return nil, false, nil
	case nalPPS:
		pic, err := parsePPS(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		s.pic, s.pps = pic, append(s.pps[:0], nal...)
		return nil, false, nil
	case nalSlice, nalIDR:
		if s.sps == nil || s.pps == nil {
			return nil, false, fmt.Errorf("%w: a picture before its parameters", ErrUnexpected)
		}
		packet, err := s.slice(nal)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUnexpected, err)
		}
		return packet, nal[0]&31 == nalIDR, nil
	}
	return nil, false, fmt.Errorf("%w: NAL unit of type %d", ErrUnexpected, nal[0]&31)
}

// slice gives a slice of x264's (clause 7.3.3) its picture order count and the
// frame_num that it has with deltas before it.
func (s *Stream) slice(nal []byte) ([]byte, error) {
	b := unescape(nal)
	r := &bitReader{buf: b, at: 8}
	idr := nal[0]&31 == nalIDR
	first, kind, pps := r.ue(), r.ue(), r.ue()
	if first != 0 || pps != 0 || nal[0]>>5 == 0 {
		return nil, fmt.Errorf("slice at macroblock %d, PPS %d", first, pps)
	}
	numbered := r.at
	num := r.u(s.seq.frameNumBits)
	after := r.at
	if idr {
		r.ue()
		s.order, s.own, s.frameNum, s.short, s.long = 0, 0, 0, s.short[:0], false
	} else {
		s.own++
		s.frameNum++
	}
	if num != s.own&(1<<s.seq.frameNumBits-1) {
		return nil, fmt.Errorf("frame_num %d instead of %d", num, s.own)
	}
	insert := r.at
	switch kind % 5 {
	case 0: // P
		if r.u(1) == 1 {
			r.ue()
		}
		if r.u(1) == 1 { // it would count our pictures as well
			return nil, errors.New("references in another order")
		}
	case 2: // I
	default:
		return nil, fmt.Errorf("slice type %d", kind)
	}
	if idr {
		r.u(2)
	} else if r.u(1) == 1 {
		return nil, errors.New("memory management of its own")
	}
	if kind%5 == 0 {
		r.ue() // cabac_init_idc
	}
	r.ue() // slice_qp_delta
	if s.pic.deblocking && r.ue() != 1 {
		r.ue()
		r.ue()
	}
	if r.err != nil {
		return nil, r.err
	}
	w := &bitWriter{buf: make([]byte, 0, len(b)+8)}
	w.copy(b, 0, numbered)
	w.put(s.frameNum, frameNumBits)
	w.copy(b, after, insert)
	w.put(2*s.order, orderBits)
	w.copy(b, insert, r.at)
	for w.held != 0 { // cabac_alignment_one_bit
		w.put(1, 1)
	}
	s.order++
	s.keep()
	return packet(w.buf, b[(r.at+7)/8:]), nil
}

// keep is what a decoder does with x264's picture: it is kept, and the oldest
// goes when there are too many (clause 8.2.5.3).
func (s *Stream) keep() {
	s.chained = false
	s.short = append(s.short, s.frameNum)
	room := s.seq.references
	if s.long {
		room--
	}
	if len(s.short) > room {
		s.short = s.short[1:]
	}
}

// Delta makes a packet of a picture between x264's: the last picture, of
// whichever kind, changed by what [Delta.Encode] found. It becomes long-term
// picture 0, which stands behind all that x264 refers to.
func (s *Stream) Delta(d Difference) []byte {
	s.frameNum++
	w := &bitWriter{}
	w.put(1<<5|nalSlice, 8)
	w.ue(0)
	w.ue(0) // P
	w.ue(deltaPPS)
	w.put(s.frameNum, frameNumBits)
	w.put(2*s.order, orderBits)
	w.put(0, 1)    // as many references as the PPS says: one
	if s.chained { // the delta before, not the last picture of x264
		w.put(1, 1)
		w.ue(2)
		w.ue(0)
		w.ue(3)
	} else {
		w.put(0, 1)
	}
	s.manage(w)
	w.se(d.qp - 26)
	w.ue(1) // no deblocking
	w.copy(d.bits, 0, d.n)
	if d.skipped > 0 {
		w.ue(uint32(d.skipped))
	}
	s.order++
	s.chained = true
	return packet(w.trail(), nil)
}

// manage writes dec_ref_pic_marking (clause 7.3.3.3) of a delta: it is kept in
// place of the delta before.
func (s *Stream) manage(w *bitWriter) {
	w.put(1, 1)
	if len(s.short) == s.seq.references { // the first delta needs room
		w.ue(1)
		w.ue(s.frameNum - s.short[0] - 1)
		s.short = s.short[1:]
	}
	if !s.long {
		w.ue(4)
		w.ue(1) // one long-term picture at most
		s.long = true
	}
	w.ue(6)
	w.ue(0)
	w.ue(0)
}

// packet is a NAL unit of head and rest, after its length.
func packet(head, rest []byte) []byte {
	body := slices.Concat(head, rest)
	out := escape(make([]byte, 4, len(body)+len(body)/64+8), body)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// Config is the decoder configuration (avcC of ISO/IEC 14496-15) once the
// first picture has been taken.
func (s *Stream) Config() []byte {
	c := []byte{1, s.sps[1], s.sps[2], s.sps[3], 0xFC | 3, 0xE0 | 1}
	c = append(binary.BigEndian.AppendUint16(c, uint16(len(s.sps))), s.sps...)
	c = append(c, 2)
	for _, pps := range [][]byte{s.pps, escape(nil, writePPS())} {
		c = append(binary.BigEndian.AppendUint16(c, uint16(len(pps))), pps...)
	}
	return append(c, 0xFC|1, 0xF8, 0xF8, 0) // 4:2:0, 8 bits, no extensions
}
