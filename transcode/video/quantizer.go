package video

import (
	"math"
	"time"
)

// quantizer chooses the quantizer (QP) of each macroblock in the pictures that x264
// encodes. A macroblock gets
//   - the same fine QP, whatever it shows, if it stays as it is for maxStay: viewers
//     look at it, later pictures refer to it, and nothing may remain in it of what it
//     showed before (a ghost);
//   - a coarse QP if it changes again at once. It is finer if there is little detail,
//     where defects are easier to see. This is aq-mode 2 of x264.
//
// x264's own choice (macroblock-tree) needs a search for motion in all pictures of its
// lookahead. It does not give plain macroblocks a finer QP if they stay, so ghosts
// remain.
type quantizer struct {
	fine, coarse float64 // QP; coarse is that of average detail

	detail          []float32 // of each macroblock; see detailOf
	sum, sumSquares float64   // of detail
	offsets         []byte    // of each macroblock, in x264's format
}

// The QPs of quantizer. docs/PERFORMANCE.md has the measurements. Both depend less on
// the size of the picture than the CRF. At the fine QP, coding errors are hardly
// visible.
const (
	fineQPOffset   = -6.5 // from the CRF with sizeWeightFine
	coarseQPOffset = 6.65 // from the CRF with sizeWeightCoarse
	detailStrength = 1.25 // aq-strength of x264
	maxDetailQP    = 6.5  // by which much detail makes the coarse QP coarser

	// How much of the difference between the CRF for the size and Options.CRF counts.
	sizeWeightFine, sizeWeightCoarse = 0.5, 0.8
)

// A macroblock is coarse if it stays for minStay, fine if it stays for maxStay.
// Between them, the weight of fine is the square of the logarithm: what stays for half
// a second is nearer to coarse than to fine.
const (
	minStay = time.Second / 15
	maxStay = 3 * time.Second / 2
)

// newQuantizer returns a quantizer for a video. All macroblocks are plain at first.
func newQuantizer(opt Options) *quantizer {
	n := (opt.Width + 15) / 16 * ((opt.Height + 15) / 16)
	crf, size := float64(opt.CRF), opt.crf()-float64(opt.CRF)
	q := &quantizer{
		fine: crf + sizeWeightFine*size + fineQPOffset, coarse: crf + sizeWeightCoarse*size + coarseQPOffset,
		detail: make([]float32, n), sum: float64(n), sumSquares: float64(n), offsets: make([]byte, 2*n),
	}
	for i := range q.detail {
		q.detail[i] = 1
	}
	return q
}

// change is a macroblock that x264 has to encode again.
type change struct {
	mb     int32
	detail float32       // see detailOf
	since  time.Duration // time of the frame since which it looks like this
}

// detailOf returns the detail of a macroblock with a variance. Its eighth root makes
// differences between plain macroblocks count as well.
func detailOf(variance float64) float32 {
	return float32(math.Sqrt(math.Sqrt(math.Sqrt(max(variance, 0) + 1))))
}

// update sets the QPs of the macroblocks that have changed in a picture. stays returns
// how long each of them stays. All other macroblocks keep their QPs, so x264 skips
// them.
//
// It returns an offset from x264BaseQP for each macroblock in the format of x264: two
// bytes, big-endian, with 8 fractional bits. They are valid until the next call.
func (q *quantizer) update(changed []change, stays func(c change) time.Duration) []byte {
	for _, c := range changed {
		was, is := float64(q.detail[c.mb]), float64(c.detail)
		q.detail[c.mb] = c.detail
		q.sum += is - was
		q.sumSquares += is*is - was*was
	}
	n := float64(len(q.detail))
	mean := q.sum / n
	middle := mean - 0.5*(q.sumSquares/n-14)/mean // x264's, with its constant
	stay, weight := minStay, 0.0
	for _, c := range changed {
		coarse := q.coarse + detailStrength*mean*(float64(q.detail[c.mb])-middle)
		coarse = min(coarse, q.coarse+maxDetailQP)
		if s := stays(c); s != stay {
			stay, weight = s, fineWeight(s)
		}
		qp := min(max(coarse+weight*(q.fine-coarse), 1), 51)
		offset := int16(256 * (qp - x264BaseQP))
		q.offsets[2*c.mb], q.offsets[2*c.mb+1] = byte(offset>>8), byte(offset)
	}
	return q.offsets
}

// fineWeight returns the weight of the fine QP, 0 to 1, for what stays for some time.
func fineWeight(stay time.Duration) float64 {
	stay = min(max(stay, minStay), maxStay)
	w := math.Log(float64(stay)/float64(minStay)) / math.Log(float64(maxStay)/float64(minStay))
	return w * w
}
