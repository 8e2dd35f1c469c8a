package h264

// writeResidualBlock writes residual_block_cavlc (clause 7.3.5.3.2): the coefficients
// [first, first+size) of b, of which total are not zero. nc is nC of clause 9.2.1.
func writeResidualBlock(w *bitWriter, b *[16]int32, total, first, size, nc int) {
	table := 3
	switch {
	case nc < 2:
		table = 0
	case nc < 4:
		table = 1
	case nc < 8:
		table = 2
	}
	writeCoefficients(w, b[first:first+size], total, func(ones int) {
		if table == 3 {
			// Six bits: 000011 if there are no coefficients; otherwise total-1 and
			// the trailing ones.
			if total == 0 {
				w.put(3, 6)
			} else {
				w.put(uint32((total-1)<<2|ones), 6)
			}
			return
		}
		w.put(uint32(coeffTokenCode[table][ones][total]), int(coeffTokenLen[table][ones][total]))
	}, func(zeros int) {
		w.put(uint32(totalZerosCode[total-1][zeros]), int(totalZerosLen[total-1][zeros]))
	})
}

func writeChromaDC(w *bitWriter, b *[4]int32) {
	total := 0
	for _, v := range b {
		if v != 0 {
			total++
		}
	}
	writeCoefficients(w, b[:], total, func(ones int) {
		w.put(uint32(coeffTokenCodeDC[ones][total]), int(coeffTokenLenDC[ones][total]))
	}, func(zeros int) {
		w.put(uint32(totalZerosCodeDC[total-1][zeros]), int(totalZerosLenDC[total-1][zeros]))
	})
}

// writeCoefficients writes the coefficients c. The tables of coeff_token and
// total_zeros depend on the type of block.
func writeCoefficients(w *bitWriter, c []int32, total int, writeCoeffToken, writeTotalZeros func(int)) {
	if total == 0 {
		writeCoeffToken(0)
		return
	}
	var levels [16]int32
	var runBefore [16]int // zeros before each coefficient
	n, trailingOnes, zeros := 0, 0, 0
	// From the highest frequency down.
	last := len(c) - 1
	for last >= 0 && c[last] == 0 {
		last--
	}
	trailing := true
	for i := last; i >= 0; i-- {
		if c[i] == 0 {
			runBefore[n-1]++
			zeros++
			continue
		}
		levels[n] = c[i]
		if trailing && trailingOnes < 3 && abs(c[i]) == 1 {
			trailingOnes++
		} else {
			trailing = false
		}
		n++
	}
	writeCoeffToken(trailingOnes)
	for _, v := range levels[:trailingOnes] {
		if v < 0 {
			w.put(1, 1)
		} else {
			w.put(0, 1)
		}
	}
	suffix := 0
	if total > 10 && trailingOnes < 3 {
		suffix = 1
	}
	for i, v := range levels[trailingOnes:n] {
		// Positive levels have even codes, negative ones odd codes.
		code := 2*v - 2
		if v < 0 {
			code = -2*v - 1
		}
		if i == 0 && trailingOnes < 3 {
			code -= 2 // it cannot be ±1
		}
		writeLevel(w, int(code), suffix)
		if suffix == 0 {
			suffix = 1
		}
		if abs(v) > 3<<(suffix-1) && suffix < 6 {
			suffix++
		}
	}
	if total < len(c) {
		writeTotalZeros(zeros)
	}
	for i := 0; i < n-1 && zeros > 0; i++ {
		k := min(zeros, 7) - 1
		w.put(uint32(runBeforeCode[k][runBefore[i]]), int(runBeforeLen[k][runBefore[i]]))
		zeros -= runBefore[i]
	}
}

// level writes level_prefix and level_suffix (clause 9.2.2.1).
func writeLevel(w *bitWriter, code, suffix int) {
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
		// A prefix of 15 zeros is followed by 12 bits. Larger levels have longer
		// prefixes.
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
