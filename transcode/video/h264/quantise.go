package h264

// The quantiser's steps for the three kinds of positions of a 4×4 block
// (clauses 8.5.9 and 8.5.12): scale divides, its inverse multiplies.
var scales = [6][3]int32{
	{13107, 8066, 5243}, {11916, 7490, 4660}, {10082, 6554, 4194},
	{9362, 5825, 3647}, {8192, 5243, 3355}, {7282, 4559, 2893},
}

// kind of position: corners of each pair, mixed, centres.
var kind = [16]int{0, 1, 0, 1, 1, 2, 1, 2, 0, 1, 0, 1, 1, 2, 1, 2}

var zigzag = [16]int{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}

// chromaQP is table 8-15 without an offset.
func chromaQP(qp int) int {
	if qp < 30 {
		return qp
	}
	return [22]int{29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39}[qp-30]
}

// forward is the core transform, in place.
func forward(b *[16]int32) {
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

// deadZone is which part of a step is added before rounding down, as one over.
const deadZone = 6

// quantise fills out, in zigzag order, from the coefficient first on and
// tells how many are not zero.
func quantise(out, coef *[16]int32, qp, first int) int {
	shift := 15 + qp/6
	add := int32(1<<shift) / deadZone
	scale := &scales[qp%6]
	n := 0
	out[0] = 0
	for k := first; k < 16; k++ {
		at := zigzag[k]
		v := coef[at]
		level := (abs(v)*scale[kind[at]] + add) >> shift
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

// chromaDC transforms and quantises the first coefficients of a plane's four
// blocks; false means that nothing is left.
func chromaDC(out *[4]int32, f [4]int32, qp int) bool {
	s0, d0, s1, d1 := f[0]+f[1], f[0]-f[1], f[2]+f[3], f[2]-f[3]
	shift := 16 + qp/6
	add := int32(1<<shift) / deadZone
	left := false
	for i, v := range [4]int32{s0 + s1, d0 + d1, s0 - s1, d0 - d1} {
		level := int32((int64(abs(v))*int64(scales[qp%6][0]) + int64(add)) >> shift)
		left = left || level != 0
		if v < 0 {
			level = -level
		}
		out[i] = level
	}
	return left
}

// steps are the quantiser's by kind of position: normAdjust4x4 of clause 8.5.9.
var steps = [6][3]int32{{10, 13, 16}, {11, 14, 18}, {13, 16, 20}, {14, 18, 23}, {16, 20, 25}, {18, 23, 29}}

// inverse is the residual of a 4×4 block's coefficients, which are in zigzag
// order (clause 8.5.12). Those before first are scaled already.
func inverse(levels *[16]int32, qp, first int) [16]int32 {
	var d [16]int32
	for k, level := range levels {
		at := zigzag[k]
		if k >= first {
			level = level * steps[qp%6][kind[at]] << (qp / 6)
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

// inverseDC is the first coefficients of a plane's four blocks, scaled (clause
// 8.5.11).
func inverseDC(f *[4]int32, qp int) [4]int32 {
	s0, d0, s1, d1 := f[0]+f[1], f[0]-f[1], f[2]+f[3], f[2]-f[3]
	out := [4]int32{s0 + s1, d0 + d1, s0 - s1, d0 - d1}
	for i := range out {
		out[i] = out[i] * steps[qp%6][0] << (qp / 6) >> 1
	}
	return out
}

func abs(v int32) int32 {
	if v < 0 {
		return -v
	}
	return v
}

// residual writes residual_block_cavlc (clause 7.3.5.3.2) of the coefficients
// [first, first+size) of b, total of which are not zero.
func residual(w *bitWriter, b *[16]int32, total, first, size, nc int) {
	table := 3
	switch {
	case nc < 2:
		table = 0
	case nc < 4:
		table = 1
	case nc < 8:
		table = 2
	}
	coefficients(w, b[first:first+size], total, func(ones int) {
		if table == 3 {
			// Six bits: 000011 for none, else total-1 and the ones.
			if total == 0 {
				w.put(3, 6)
			} else {
				w.put(uint32((total-1)<<2|ones), 6)
			}
			return
		}
		w.put(uint32(tokenCode[table][ones][total]), int(tokenLen[table][ones][total]))
	}, func(zeros int) {
		w.put(uint32(zerosCode[total-1][zeros]), int(zerosLen[total-1][zeros]))
	})
}

func chromaDCResidual(w *bitWriter, b *[4]int32) {
	total := 0
	for _, v := range b {
		if v != 0 {
			total++
		}
	}
	coefficients(w, b[:], total, func(ones int) {
		w.put(uint32(tokenCodeDC[ones][total]), int(tokenLenDC[ones][total]))
	}, func(zeros int) {
		w.put(uint32(zerosCodeDC[total-1][zeros]), int(zerosLenDC[total-1][zeros]))
	})
}

// coefficients writes the coefficients c; the tables of coeff_token and
// total_zeros depend on the kind of block.
func coefficients(w *bitWriter, c []int32, total int, token, totalZeros func(int)) {
	if total == 0 {
		token(0)
		return
	}
	var levels [16]int32
	var runs [16]int // zeros before each
	n, ones, zeros := 0, 0, 0
	// From the highest frequency down.
	last := len(c) - 1
	for last >= 0 && c[last] == 0 {
		last--
	}
	trailing := true
	for i := last; i >= 0; i-- {
		if c[i] == 0 {
			runs[n-1]++
			zeros++
			continue
		}
		levels[n] = c[i]
		if trailing && ones < 3 && abs(c[i]) == 1 {
			ones++
		} else {
			trailing = false
		}
		n++
	}
	token(ones)
	for _, v := range levels[:ones] {
		if v < 0 {
			w.put(1, 1)
		} else {
			w.put(0, 1)
		}
	}
	suffix := 0
	if total > 10 && ones < 3 {
		suffix = 1
	}
	for i, v := range levels[ones:n] {
		// An even code for positive levels, an odd one for negative.
		code := 2*v - 2
		if v < 0 {
			code = -2*v - 1
		}
		if i == 0 && ones < 3 {
			code -= 2 // it cannot be a one
		}
		level(w, int(code), suffix)
		if suffix == 0 {
			suffix = 1
		}
		if abs(v) > 3<<(suffix-1) && suffix < 6 {
			suffix++
		}
	}
	if total < len(c) {
		totalZeros(zeros)
	}
	for i := 0; i < n-1 && zeros > 0; i++ {
		k := min(zeros, 7) - 1
		w.put(uint32(runCode[k][runs[i]]), int(runLen[k][runs[i]]))
		zeros -= runs[i]
	}
}

// level writes level_prefix and level_suffix (clause 9.2.2.1).
func level(w *bitWriter, code, suffix int) {
	switch {
	case suffix == 0 && code < 14:
		w.put(1, code+1)
	case suffix == 0 && code < 30:
		w.put(1, 15)
		w.put(uint32(code-14), 4)
	case suffix > 0 && code < 15<<suffix:
		w.put(1, code>>suffix+1)
		w.put(uint32(code), suffix)
	default:
		code -= 15 << suffix
		if suffix == 0 {
			code -= 15
		}
		// Twelve bits after fifteen zeros; larger ones have longer prefixes.
		prefix := 15
		for size := 12; code >= 1<<size; size++ {
			code -= 1 << size
			prefix++
		}
		w.put(0, prefix)
		w.put(1, 1)
		w.put(uint32(code), prefix-3)
	}
}
