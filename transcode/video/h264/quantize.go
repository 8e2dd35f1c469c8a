package h264

// quantScale holds the multipliers of the forward quantizer by qp%6 and
// positionClass. They correspond to the inverse of dequantScale (clauses 8.5.9 and
// 8.5.12).
var quantScale = [6][3]int32{
	{13107, 8066, 5243}, {11916, 7490, 4660}, {10082, 6554, 4194},
	{9362, 5825, 3647}, {8192, 5243, 3355}, {7282, 4559, 2893},
}

// positionClass is the class of each position of a 4×4 block: 0 where row and column
// are even, 2 where both are odd, otherwise 1.
var positionClass = [16]int{0, 1, 0, 1, 1, 2, 1, 2, 0, 1, 0, 1, 1, 2, 1, 2}

var zigzag = [16]int{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}

// chromaQP returns the QP of chroma for that of luma (table 8-15, without an offset).
func chromaQP(qp int) int {
	if qp < 30 {
		return qp
	}
	return [22]int{29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39}[qp-30]
}

// forwardTransform is the 4×4 core transform, in place.
func forwardTransform(b *[16]int32) {
	for i := 0; i < 16; i += 4 {
		s0, s1 := b[i]+b[i+3], b[i+1]+b[i+2]
		d0, d1 := b[i]-b[i+3], b[i+1]-b[i+2]
		b[i], b[i+1], b[i+2], b[i+3] = s0+s1, 2*d0+d1, s0-s1, d0-2*d1
	}
	for i := range 4 {
		s0, s1 := b[i]+b[i+12], b[i+4]+b[i+8]
		d0, d1 := b[i]-b[i+12], b[i+4]-b[i+8]
		b[i], b[i+4], b[i+8], b[i+12] = s0+s1, 2*d0+d1, s0-s1, d0-2*d1
	}
}

// deadZone sets the rounding offset: 1/deadZone of a step is added before rounding
// down.
const deadZone = 6

// quantize writes the levels of coef to out in zigzag order, from position first on.
// It returns how many are not zero.
func quantize(out, coef *[16]int32, qp, first int) int {
	shift := 15 + qp/6
	rounding := int32(1<<shift) / deadZone
	scale := &quantScale[qp%6]
	n := 0
	out[0] = 0
	for k := first; k < 16; k++ {
		at := zigzag[k]
		v := coef[at]
		level := (abs(v)*scale[positionClass[at]] + rounding) >> shift
		if level != 0 {
			n++
		}
		if v < 0 {
			level = -level
		}
		out[k] = level
	}
	return n
}

// quantizeChromaDC transforms and quantizes the DC coefficients of a chroma plane's
// four blocks. It reports whether any level is not zero.
func quantizeChromaDC(out *[4]int32, f [4]int32, qp int) bool {
	s0, d0, s1, d1 := f[0]+f[1], f[0]-f[1], f[2]+f[3], f[2]-f[3]
	shift := 16 + qp/6
	rounding := int32(1<<shift) / deadZone
	nonZero := false
	for i, v := range [4]int32{s0 + s1, d0 + d1, s0 - s1, d0 - d1} {
		level := int32((int64(abs(v))*int64(quantScale[qp%6][0]) + int64(rounding)) >> shift)
		nonZero = nonZero || level != 0
		if v < 0 {
			level = -level
		}
		out[i] = level
	}
	return nonZero
}

// dequantScale is normAdjust4x4 of clause 8.5.9, by qp%6 and positionClass.
var dequantScale = [6][3]int32{{10, 13, 16}, {11, 14, 18}, {13, 16, 20}, {14, 18, 23}, {16, 20, 25}, {18, 23, 29}}

// inverseTransform returns the residual of a 4×4 block from its levels in zigzag
// order (clause 8.5.12). Levels before first are scaled already.
func inverseTransform(levels *[16]int32, qp, first int) [16]int32 {
	var d [16]int32
	for k, level := range levels {
		at := zigzag[k]
		if k >= first {
			level = level * dequantScale[qp%6][positionClass[at]] << (qp / 6)
		}
		d[at] = level
	}
	for i := 0; i < 16; i += 4 {
		e, f := d[i]+d[i+2], d[i]-d[i+2]
		g, h := d[i+1]>>1-d[i+3], d[i+1]+d[i+3]>>1
		d[i], d[i+1], d[i+2], d[i+3] = e+h, f+g, f-g, e-h
	}
	for i := range 4 {
		e, f := d[i]+d[i+8], d[i]-d[i+8]
		g, h := d[i+4]>>1-d[i+12], d[i+4]+d[i+12]>>1
		d[i], d[i+4], d[i+8], d[i+12] = e+h, f+g, f-g, e-h
	}
	for i := range d {
		d[i] = (d[i] + 32) >> 6
	}
	return d
}

// inverseChromaDC returns the scaled DC coefficients of a chroma plane's four blocks
// (clause 8.5.11).
func inverseChromaDC(f *[4]int32, qp int) [4]int32 {
	s0, d0, s1, d1 := f[0]+f[1], f[0]-f[1], f[2]+f[3], f[2]-f[3]
	out := [4]int32{s0 + s1, d0 + d1, s0 - s1, d0 - d1}
	for i := range out {
		out[i] = out[i] * dequantScale[qp%6][0] << (qp / 6) >> 1
	}
	return out
}

func abs(v int32) int32 {
	if v < 0 {
		return -v
	}
	return v
}
