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

// Change is a macroblock that is to be coded, numbered line by line. Fine ones are
// coded with a quantiser that is finer by fineQP.
type Change struct {
	MB   int
	Fine bool
}

// fineQP is how much finer the quantiser of fine changes is: a quarter of the step.
const fineQP = 12

// Delta codes differences between pictures. It is used by one goroutine.
type Delta struct {
	qp      int
	columns int // macroblocks in a line
	rows    int

	counts [3][]uint8 // coefficients in each 4×4 block of the picture, by plane
	marked []int      // macroblocks whose counts are not zero
	coded  []block    // their residuals
}

// NewDelta codes pictures of that size with the quantiser qp (0 to 51).
func NewDelta(width, height, qp int) *Delta {
	d := &Delta{qp: qp, columns: (width + 15) / 16, rows: (height + 15) / 16}
	n := d.columns * d.rows
	d.counts = [3][]uint8{make([]uint8, 16*n), make([]uint8, 4*n), make([]uint8, 4*n)}
	return d
}

// Macroblocks is the number of columns and rows of 16×16 pixels.
func (d *Delta) Macroblocks() (columns, rows int) { return d.columns, d.rows }

// block is the quantised residual of a macroblock.
type block struct {
	qp     int
	luma   [16][16]int32 // by 4×4 block in coding order, coefficients in zigzag order
	dc     [2][4]int32
	ac     [2][4][16]int32 // the first coefficient is unused
	cbp    int
	counts [24]int // coefficients per block: luma, both chroma AC
}

// Encode codes the difference between now and base in the given macroblocks, in
// rising order; all others are as in base. Then base is brought up to what decoders
// show, but for the error of x264's picture. If that takes more than most bytes, base
// stays as it is and Encode returns false.
func (d *Delta) Encode(now, base Picture, changed []Change, most int) (Difference, bool) {
	for _, mb := range d.marked {
		d.setCounts(mb, nil)
	}
	d.marked, d.coded = d.marked[:0], d.coded[:0]
	w := &bitWriter{}
	next, qp := 0, d.qp
	for _, c := range changed {
		mb, n := c.MB, len(d.coded)
		d.coded = append(d.coded, block{qp: d.quantiser(c)})
		b := &d.coded[n]
		if !d.transform(b, now, base, mb) {
			d.coded = d.coded[:n]
			continue
		}
		w.ue(uint32(mb - next)) // mb_skip_run
		next = mb + 1
		d.macroblock(w, b, mb, b.qp-qp)
		qp = b.qp
		d.marked = append(d.marked, mb)
		if w.len() > 8*most {
			return Difference{}, false
		}
	}
	for i, mb := range d.marked {
		d.rebuild(base, &d.coded[i], mb)
	}
	out := Difference{qp: d.qp, n: w.len(), skipped: d.columns*d.rows - next}
	out.bits = w.buf
	if w.held > 0 {
		out.bits = append(out.bits, byte(w.acc<<(8-w.held)))
	}
	return out, true
}

// quantiser returns the quantiser of a macroblock.
func (d *Delta) quantiser(c Change) int {
	if c.Fine {
		return max(d.qp-fineQP, 1)
	}
	return d.qp
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
	qpc := chromaQP(b.qp)
	for i := range b.luma {
		if !difference(&res, now.Pix, base.Pix, now.Width, now.Height, x+4*lumaX[i], y+4*lumaY[i]) {
			continue
		}
		forward(&res)
		if n := quantise(&b.luma[i], &res, b.qp, 0); n > 0 {
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
		changed := false
		for i := range 4 {
			if !difference(&res, now.Pix[at:], base.Pix[at:], cw, ch, x/2+4*(i&1), y/2+4*(i>>1)) {
				continue
			}
			changed = true
			forward(&res)
			first[i] = res[0]
			if n := quantise(&b.ac[c][i], &res, qpc, 1); n > 0 {
				b.counts[16+4*c+i] = n
				ac = true
			}
		}
		if changed && chromaDC(&b.dc[c], first, qpc) {
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
// motion, with the residual b. qpDelta is how the quantiser differs from that of the
// macroblock that was coded before.
func (d *Delta) macroblock(w *bitWriter, b *block, mb, qpDelta int) {
	w.ue(0) // P_L0_16x16
	w.se(0) // no motion: all predictors are zero, too
	w.se(0)
	w.ue(interCBP[b.cbp])
	w.se(qpDelta)
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

// rebuild adds a macroblock's residual, as it was written, to a
// picture, as decoders do (clause 8.5).
func (d *Delta) rebuild(p Picture, b *block, mb int) {
	x, y := mb%d.columns*16, mb/d.columns*16
	for i := range b.luma {
		if b.counts[i] > 0 {
			add(p.Pix, p.Width, p.Height, x+4*lumaX[i], y+4*lumaY[i], inverse(&b.luma[i], b.qp, 0))
		}
	}
	if b.cbp>>4 == 0 {
		return
	}
	size, plane, qpc := p.Width*p.Height, p.Width*p.Height/4, chromaQP(b.qp)
	for c := range 2 {
		for i, dc := range inverseDC(&b.dc[c], qpc) {
			levels := &b.ac[c][i]
			if b.counts[16+4*c+i] == 0 {
				levels = &[16]int32{}
			}
			levels[0] = dc
			add(p.Pix[size+c*plane:][:plane], p.Width/2, p.Height/2, x/2+4*(i&1), y/2+4*(i>>1), inverse(levels, qpc, 1))
		}
	}
}

// add adds a 4×4 block to a plane, as far as it lies within.
func add(plane []byte, width, height, x, y int, residual [16]int32) {
	for i, v := range residual {
		if px, py := x+i%4, y+i/4; px < width && py < height {
			at := py*width + px
			plane[at] = uint8(min(max(int32(plane[at])+v, 0), 255))
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
