package h264

// Picture is an I420 picture: Width×Height bytes of luma, then both chroma planes of
// half the width and height. Width and Height are even.
type Picture struct {
	Width, Height int
	Pix           []byte
}

// DeltaSlice is the slice data (clause 7.3.4) of one delta picture.
type DeltaSlice struct {
	qp            int
	bits          []byte
	bitCount      int
	trailingSkips int // skipped macroblocks after the last coded one
}

// Macroblock is a macroblock to code. Index is its address in raster order. The
// quantizer of Fine macroblocks is lower by fineQPOffset.
type Macroblock struct {
	Index int
	Fine  bool
}

// fineQPOffset is how much lower the QP of Fine macroblocks is. Their quantizer step
// is a quarter of the usual one.
const fineQPOffset = 12

// DeltaEncoder codes differences between pictures. Only one goroutine may use it.
type DeltaEncoder struct {
	qp      int
	columns int // macroblocks in a row
	rows    int

	coeffCounts [3][]uint8 // non-zero coefficients of each 4×4 block, by plane
	codedMBs    []int      // macroblocks whose coeffCounts are not zero
	residuals   []residual // of codedMBs
}

// NewDeltaEncoder returns an encoder for pictures of that size, in pixels, with the
// quantizer qp (0 to 51).
func NewDeltaEncoder(width, height, qp int) *DeltaEncoder {
	d := &DeltaEncoder{qp: qp, columns: (width + 15) / 16, rows: (height + 15) / 16}
	n := d.columns * d.rows
	d.coeffCounts = [3][]uint8{make([]uint8, 16*n), make([]uint8, 4*n), make([]uint8, 4*n)}
	return d
}

// GridSize returns the numbers of columns and rows of macroblocks.
func (d *DeltaEncoder) GridSize() (columns, rows int) { return d.columns, d.rows }

// residual is the quantized residual of a macroblock.
type residual struct {
	qp          int
	luma        [16][16]int32 // by 4×4 block in coding order; coefficients in zigzag order
	chromaDC    [2][4]int32
	chromaAC    [2][4][16]int32 // the first coefficient is unused
	cbp         int
	coeffCounts [24]int // of each block: luma, then both chroma AC
}

// Encode codes the difference between source and reference in the changed
// macroblocks, which must be in rising order. All other macroblocks are skipped.
// Encode then adds the coded residual to reference. The result is what decoders show,
// except for the coding error of x264's picture. If the slice data takes more than
// maxBytes, Encode leaves reference as it is and returns false.
func (d *DeltaEncoder) Encode(source, reference Picture, changed []Macroblock, maxBytes int) (DeltaSlice, bool) {
	for _, mb := range d.codedMBs {
		d.setCoeffCounts(mb, nil)
	}
	d.codedMBs, d.residuals = d.codedMBs[:0], d.residuals[:0]
	w := &bitWriter{}
	next, qp := 0, d.qp
	for _, c := range changed {
		mb, n := c.Index, len(d.residuals)
		d.residuals = append(d.residuals, residual{qp: d.qpFor(c)})
		b := &d.residuals[n]
		if !d.computeResidual(b, source, reference, mb) {
			d.residuals = d.residuals[:n]
			continue
		}
		w.ue(uint32(mb - next)) // mb_skip_run
		next = mb + 1
		d.writeMacroblock(w, b, mb, b.qp-qp)
		qp = b.qp
		d.codedMBs = append(d.codedMBs, mb)
		if w.len() > 8*maxBytes {
			return DeltaSlice{}, false
		}
	}
	for i, mb := range d.codedMBs {
		d.reconstruct(reference, &d.residuals[i], mb)
	}
	out := DeltaSlice{qp: d.qp, bitCount: w.len(), trailingSkips: d.columns*d.rows - next}
	out.bits = w.buf
	if w.accBits > 0 {
		out.bits = append(out.bits, byte(w.acc<<(8-w.accBits)))
	}
	return out, true
}

// qpFor returns the QP of a macroblock.
func (d *DeltaEncoder) qpFor(mb Macroblock) int {
	if mb.Fine {
		return max(d.qp-fineQPOffset, 1)
	}
	return d.qp
}

// lumaBlockX and lumaBlockY are the positions of the 4×4 luma blocks in a macroblock,
// in blocks, by coding order.
var lumaBlockX = [16]int{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}
var lumaBlockY = [16]int{0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3}

// computeResidual computes the residual of a macroblock and reports whether any
// coefficient is not zero.
func (d *DeltaEncoder) computeResidual(b *residual, source, reference Picture, mb int) bool {
	b.cbp = 0
	b.coeffCounts = [24]int{}
	x, y := mb%d.columns*16, mb/d.columns*16
	size := source.Width * source.Height
	var block [16]int32
	qpc := chromaQP(b.qp)
	for i := range b.luma {
		if !subtract(&block, source.Pix, reference.Pix, source.Width, source.Height, x+4*lumaBlockX[i], y+4*lumaBlockY[i]) {
			continue
		}
		forwardTransform(&block)
		if n := quantize(&b.luma[i], &block, b.qp, 0); n > 0 {
			b.coeffCounts[i] = n
			b.cbp |= 1 << (i / 4)
		}
	}
	cw, ch := source.Width/2, source.Height/2
	hasAC, hasDC := false, false
	for c := range 2 {
		var dcCoeffs [4]int32
		at := size + c*cw*ch
		b.chromaDC[c] = [4]int32{}
		changed := false
		for i := range 4 {
			if !subtract(&block, source.Pix[at:], reference.Pix[at:], cw, ch, x/2+4*(i&1), y/2+4*(i>>1)) {
				continue
			}
			changed = true
			forwardTransform(&block)
			dcCoeffs[i] = block[0]
			if n := quantize(&b.chromaAC[c][i], &block, qpc, 1); n > 0 {
				b.coeffCounts[16+4*c+i] = n
				hasAC = true
			}
		}
		if changed && quantizeChromaDC(&b.chromaDC[c], dcCoeffs, qpc) {
			hasDC = true
		}
	}
	switch {
	case hasAC:
		b.cbp |= 2 << 4
	case hasDC:
		b.cbp |= 1 << 4
	}
	return b.cbp != 0
}

// subtract computes the difference of a 4×4 block and reports whether it is not zero.
// Outside the pictures the difference is zero.
func subtract(block *[16]int32, source, reference []byte, width, height, x, y int) bool {
	var nonZero int32
	for j := range 4 {
		row := block[4*j : 4*j+4 : 4*j+4]
		if y+j >= height || x+4 > width {
			clear(row)
			for i := 0; i < 4 && y+j < height && x+i < width; i++ {
				at := (y+j)*width + x + i
				row[i] = int32(source[at]) - int32(reference[at])
				nonZero |= row[i]
			}
			continue
		}
		at := (y+j)*width + x
		a, b := source[at:at+4:at+4], reference[at:at+4:at+4]
		for i := range row {
			row[i] = int32(a[i]) - int32(b[i])
			nonZero |= row[i]
		}
	}
	return nonZero != 0
}

// writeMacroblock writes macroblock_layer (clause 7.3.5): P_L0_16x16 with a zero
// motion vector and the residual b. qpDelta is the difference from the QP of the
// macroblock coded before.
func (d *DeltaEncoder) writeMacroblock(w *bitWriter, b *residual, mb, qpDelta int) {
	w.ue(0) // P_L0_16x16
	w.se(0) // zero motion vector; all predictors are zero, too
	w.se(0)
	w.ue(interCBP[b.cbp])
	w.se(qpDelta)
	for i := range b.luma {
		if b.cbp>>(i/4)&1 == 0 {
			b.coeffCounts[i] = 0
		}
	}
	if b.cbp < 32 {
		clear(b.coeffCounts[16:])
	}
	d.setCoeffCounts(mb, &b.coeffCounts)
	x, y := mb%d.columns, mb/d.columns
	for i := range b.luma {
		if b.cbp>>(i/4)&1 == 1 {
			nc := d.predictNC(0, 4*d.columns, 4*x+lumaBlockX[i], 4*y+lumaBlockY[i])
			writeResidualBlock(w, &b.luma[i], b.coeffCounts[i], 0, 16, nc)
		}
	}
	if b.cbp>>4 == 0 {
		return
	}
	for c := range 2 {
		writeChromaDC(w, &b.chromaDC[c])
	}
	if b.cbp>>4 < 2 {
		return
	}
	for c := range 2 {
		for i := range 4 {
			nc := d.predictNC(1+c, 2*d.columns, 2*x+i&1, 2*y+i>>1)
			writeResidualBlock(w, &b.chromaAC[c][i], b.coeffCounts[16+4*c+i], 1, 15, nc)
		}
	}
}

// reconstruct adds the coded residual of a macroblock to a picture, as decoders do
// (clause 8.5).
func (d *DeltaEncoder) reconstruct(p Picture, b *residual, mb int) {
	x, y := mb%d.columns*16, mb/d.columns*16
	for i := range b.luma {
		if b.coeffCounts[i] > 0 {
			addResidual(p.Pix, p.Width, p.Height, x+4*lumaBlockX[i], y+4*lumaBlockY[i], inverseTransform(&b.luma[i], b.qp, 0))
		}
	}
	if b.cbp>>4 == 0 {
		return
	}
	size, plane, qpc := p.Width*p.Height, p.Width*p.Height/4, chromaQP(b.qp)
	for c := range 2 {
		for i, dc := range inverseChromaDC(&b.chromaDC[c], qpc) {
			levels := &b.chromaAC[c][i]
			if b.coeffCounts[16+4*c+i] == 0 {
				levels = &[16]int32{}
			}
			levels[0] = dc
			addResidual(p.Pix[size+c*plane:][:plane], p.Width/2, p.Height/2, x/2+4*(i&1), y/2+4*(i>>1), inverseTransform(levels, qpc, 1))
		}
	}
}

// addResidual adds a 4×4 block to a plane. Samples outside the plane are ignored.
func addResidual(plane []byte, width, height, x, y int, residual [16]int32) {
	for i, v := range residual {
		if px, py := x+i%4, y+i/4; px < width && py < height {
			at := py*width + px
			plane[at] = uint8(min(max(int32(plane[at])+v, 0), 255))
		}
	}
}

// setCoeffCounts records the numbers of coefficients of a macroblock's blocks; nil
// means none.
func (d *DeltaEncoder) setCoeffCounts(mb int, counts *[24]int) {
	if counts == nil {
		counts = &[24]int{}
	}
	x, y := mb%d.columns, mb/d.columns
	for i := range 16 {
		d.coeffCounts[0][(4*y+lumaBlockY[i])*4*d.columns+4*x+lumaBlockX[i]] = uint8(counts[i])
	}
	for i := range 8 {
		d.coeffCounts[1+i/4][(2*y+i%4>>1)*2*d.columns+2*x+i&1] = uint8(counts[16+i])
	}
}

// predictNC returns nC of clause 9.2.1: the number of coefficients predicted from the
// blocks to the left and above.
func (d *DeltaEncoder) predictNC(plane, stride, x, y int) int {
	counts := d.coeffCounts[plane]
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
