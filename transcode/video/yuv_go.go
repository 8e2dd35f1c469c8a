package video

import "image"

// convertRectGo is convertRect for builds without cgo.
func (p *planes) convertRectGo(img *image.RGBA, r image.Rectangle) {
	cw := p.width / 2
	u := p.pix[p.width*p.height:]
	v := u[cw*p.height/2:]
	n := r.Dx()
	for y := r.Min.Y; y < r.Max.Y; y += 2 {
		top := img.Pix[img.PixOffset(r.Min.X, y):][:4*n]
		bottom := img.Pix[img.PixOffset(r.Min.X, y+1):][:4*n]
		y0 := p.pix[y*p.width+r.Min.X:][:n]
		y1 := p.pix[(y+1)*p.width+r.Min.X:][:n]
		at := y/2*cw + r.Min.X/2
		convertRowPairGo(top, bottom, y0, y1, u[at:][:n/2], v[at:][:n/2])
	}
}

// convertRowPairGo converts two rows, whose number of pixels is even.
func convertRowPairGo(top, bottom, y0, y1, u, v []byte) {
	for x := range u {
		a := top[8*x:][:8:8]
		b := bottom[8*x:][:8:8]
		r0, g0, b0 := int32(a[0]), int32(a[1]), int32(a[2])
		r1, g1, b1 := int32(a[4]), int32(a[5]), int32(a[6])
		r2, g2, b2 := int32(b[0]), int32(b[1]), int32(b[2])
		r3, g3, b3 := int32(b[4]), int32(b[5]), int32(b[6])
		t := y0[2*x:][:2:2]
		t[0] = uint8((yR*r0+yG*g0+yB*b0+half)>>16 + 16)
		t[1] = uint8((yR*r1+yG*g1+yB*b1+half)>>16 + 16)
		t = y1[2*x:][:2:2]
		t[0] = uint8((yR*r2+yG*g2+yB*b2+half)>>16 + 16)
		t[1] = uint8((yR*r3+yG*g3+yB*b3+half)>>16 + 16)
		rs, gs, bs := r0+r1+r2+r3, g0+g1+g2+g3, b0+b1+b2+b3
		u[x] = uint8((uR*rs+uG*gs+uB*bs+4*half)>>18 + 128)
		v[x] = uint8((vR*rs+vG*gs+vB*bs+4*half)>>18 + 128)
	}
}

// updateGo is update for builds without cgo.
func (p *planes) updateGo(frame *planes, mb int) float64 {
	columns := (p.width + 15) / 16
	x, y := mb%columns*16, mb/columns*16
	w, h := min(16, p.width-x), min(16, p.height-y)
	plane := p.width * p.height / 4
	luma, chroma := y*p.width+x, 4*plane+y/2*(p.width/2)+x/2
	return 256*updateBlockGo(p.pix[luma:], frame.pix[luma:], p.width, w, h) +
		64*updateBlockGo(p.pix[chroma:], frame.pix[chroma:], p.width/2, w/2, h/2) +
		64*updateBlockGo(p.pix[chroma+plane:], frame.pix[chroma+plane:], p.width/2, w/2, h/2)
}

// updateBlockGo copies w×h samples, whose rows are stride samples apart, and returns
// their variance.
func updateBlockGo(to, from []byte, stride, w, h int) float64 {
	sum, squares := 0, 0
	for j := range h {
		row := from[j*stride:][:w]
		copy(to[j*stride:], row)
		for _, v := range row {
			sum += int(v)
			squares += int(v) * int(v)
		}
	}
	n := float64(w * h)
	return (float64(squares) - float64(sum)*float64(sum)/n) / n
}
