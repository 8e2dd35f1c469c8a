package h264

// Picture is an I420 picture: Width×Height of brightness, then both chroma
// planes of half the size. Width and Height are even.
type Picture struct {
	Width, Height int
	Pix           []byte
}

// Difference is the slice data (clause 7.3.4) of one delta picture.
type Difference struct {
	qp      int
	bits    []byte
	n       int // bits
	skipped int // macroblocks after the last one that is coded
}

// Bytes is about how long the picture's packet is.
func (d Difference) Bytes() int { return (d.n+7)/8 + 12 }

// Delta codes differences between pictures. It is used by one goroutine.
type Delta struct {
	qp, qpc int
	columns int // macroblocks in a line
	rows    int

	counts [3][]uint8 // coefficients in each 4×4 block of the picture, by plane
	marked []int      // macroblocks whose counts are not zero
}

// NewDelta codes pictures of that size with the quantiser qp (0 to 51).
func NewDelta(width, height, qp int) *Delta {
	d := &Delta{qp: qp, qpc: chromaQP(qp), columns: (width + 15) / 16, rows: (height + 15) / 16}
	n := d.columns * d.rows
	d.counts = [3][]uint8{make([]uint8, 16*n), make([]uint8, 4*n), make([]uint8, 4*n)}
	return d
}

// Macroblocks is the number of columns and rows of 16×16 pixels.
func (d *Delta) Macroblocks() (columns, rows int) { return d.columns, d.rows }

// block is the quantised residual of a macroblock.
type block struct {
	luma   [16][16]int32 // by 4×4 block in coding order, coefficients in zigzag order
	dc     [2][4]int32
	ac     [2][4][16]int32 // the first coefficient is unused
	cbp    int
	counts [24]int // coefficients per block: luma, both chroma AC
}

// Encode codes the difference between now and base in the given macroblocks,
// numbered line by line, in rising order. All others are as in base.
func (d *Delta) Encode(now, base Picture, changed []int) Difference {
	for _, mb := range d.marked {
		d.setCounts(mb, nil)
	}
	d.marked = d.marked[:0]
	w := &bitWriter{}
	next := 0
	var b block
	for _, mb := range changed {
		if !d.transform(&b, now, base, mb) {
			continue
		}
		w.ue(uint32(mb - next)) // mb_skip_run
		next = mb + 1
		d.macroblock(w, &b, mb)
		d.marked = append(d.marked, mb)
	}
	out := Difference{qp: d.qp, n: w.len(), skipped: d.columns*d.rows - next}
	out.bits = w.buf
	if w.held > 0 {
		out.bits = append(out.bits, byte(w.acc<<(8-w.held)))
	}
	return out
}

// Where a 4×4 block of brightness lies in its macroblock, in coding order.
var lumaX = [16]int{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}
var lumaY = [16]int{0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3}

// transform computes a macroblock's residual; false means there is none.
func (d *Delta) transform(b *block, now, base Picture, mb int) bool {
	b.cbp = 0
	b.counts = [24]int{}
	x, y := mb%d.columns*16, mb/d.columns*16
	size := now.Width * now.Height
	var res [16]int32
	for i := range b.luma {
		if !difference(&res, now.Pix, base.Pix, now.Width, now.Height, x+4*lumaX[i], y+4*lumaY[i]) {
			continue
		}
		forward(&res)
		if n := quantise(&b.luma[i], &res, d.qp, 0); n > 0 {
			b.counts[i] = n
			b.cbp |= 1 << (i / 4)
		}
	}
	cw, ch := now.Width/2, now.Height/2
	ac, dc := false, false
	for c := range 2 {
		var first [4]int32
		at := size + c*cw*ch
		b.dc[c] = [4]int32{}
		any := false
		for i := range 4 {
			if !difference(&res, now.Pix[at:], base.Pix[at:], cw, ch, x/2+4*(i&1), y/2+4*(i>>1)) {
				continue
			}
			any = true
			forward(&res)
			first[i] = res[0]
			if n := quantise(&b.ac[c][i], &res, d.qpc, 1); n > 0 {
				b.counts[16+4*c+i] = n
				ac = true
			}
		}
		if any && chromaDC(&b.dc[c], first, d.qpc) {
			dc = true
		}
	}
	switch {
	case ac:
		b.cbp |= 2 << 4
	case dc:
		b.cbp |= 1 << 4
	}
	return b.cbp != 0
}

// difference reads the difference of a 4×4 block; false means there is none.
// What lies outside of the pictures is equal.
func difference(res *[16]int32, now, base []byte, width, height, x, y int) bool {
	var any int32
	for j := range 4 {
		row := res[4*j : 4*j+4 : 4*j+4]
		if y+j >= height || x+4 > width {
			clear(row)
			for i := 0; i < 4 && y+j < height && x+i < width; i++ {
				at := (y+j)*width + x + i
				row[i] = int32(now[at]) - int32(base[at])
				any |= row[i]
			}
			continue
		}
		at := (y+j)*width + x
		a, b := now[at:at+4:at+4], base[at:at+4:at+4]
		for i := range row {
			row[i] = int32(a[i]) - int32(b[i])
			any |= row[i]
		}
	}
	return any != 0
}

// macroblock writes macroblock_layer (clause 7.3.5) of P_L0_16x16 without
// motion, with the residual b.
func (d *Delta) macroblock(w *bitWriter, b *block, mb int) {
	w.ue(0) // P_L0_16x16
	w.se(0) // no motion: all predictors are zero, too
	w.se(0)
	w.ue(interCBP[b.cbp])
	w.se(0) // mb_qp_delta
	for i := range b.luma {
		if b.cbp>>(i/4)&1 == 0 {
			b.counts[i] = 0
		}
	}
	if b.cbp < 32 {
		clear(b.counts[16:])
	}
	d.setCounts(mb, &b.counts)
	x, y := mb%d.columns, mb/d.columns
	for i := range b.luma {
		if b.cbp>>(i/4)&1 == 1 {
			nc := d.context(0, 4*d.columns, 4*x+lumaX[i], 4*y+lumaY[i])
			residual(w, &b.luma[i], b.counts[i], 0, 16, nc)
		}
	}
	if b.cbp>>4 == 0 {
		return
	}
	for c := range 2 {
		chromaDCResidual(w, &b.dc[c])
	}
	if b.cbp>>4 < 2 {
		return
	}
	for c := range 2 {
		for i := range 4 {
			nc := d.context(1+c, 2*d.columns, 2*x+i&1, 2*y+i>>1)
			residual(w, &b.ac[c][i], b.counts[16+4*c+i], 1, 15, nc)
		}
	}
}

// setCounts notes how many coefficients a macroblock's blocks have; nil is none.
func (d *Delta) setCounts(mb int, counts *[24]int) {
	if counts == nil {
		counts = &[24]int{}
	}
	x, y := mb%d.columns, mb/d.columns
	for i := range 16 {
		d.counts[0][(4*y+lumaY[i])*4*d.columns+4*x+lumaX[i]] = uint8(counts[i])
	}
	for i := range 8 {
		d.counts[1+i/4][(2*y+i%4>>1)*2*d.columns+2*x+i&1] = uint8(counts[16+i])
	}
}

// context is nC of clause 9.2.1, from the blocks left of and above a block.
func (d *Delta) context(plane, stride, x, y int) int {
	counts := d.counts[plane]
	switch {
	case x > 0 && y > 0:
		return (int(counts[y*stride+x-1]) + int(counts[(y-1)*stride+x]) + 1) >> 1
	case x > 0:
		return int(counts[y*stride+x-1])
	case y > 0:
		return int(counts[(y-1)*stride+x])
	}
	return 0
}
