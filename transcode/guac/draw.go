package guac

import (
	"image"

	"golang.org/x/image/math/f64"
)

// draw executes instructions that change a layer's path, state or pixels.
func (d *display) draw(l *layer, o *op) {
	i, f := o.i, o.f
	switch o.code {
	case opRect, opStart, opLine, opArc, opCurve:
		d.segment(l, o)
	case opClose:
		l.close()
	case opClip:
		if !l.clip() {
			d.refuse("more clips than allowed")
		}
	case opPush:
		if !l.push() {
			d.refuse("more than %d saved states", maxStates)
		}
	case opPop:
		l.pop()
	case opReset:
		l.reset()
	case opIdentity:
		l.state.transform = nil
	case opTransform:
		m := affine(f)
		if l.state.transform != nil {
			m = mul(*l.state.transform, m)
		}
		l.state.transform = &m
	case opMiter:
		if f[0] > 0 {
			l.state.pen.miter = min(f[0], 1000)
		}
	case opMask:
		d.mask(l, i[0])
	case opCFill:
		d.mask(l, i[0])
		c := colour(i[2:6])
		d.mark(l, l.fill(func(int, int) [4]byte { return c }, &c))
	case opCStroke:
		d.mask(l, i[0])
		l.state.pen.set(i[2], i[3], i[4])
		c := colour(i[5:9])
		d.mark(l, l.stroke(func(int, int) [4]byte { return c }, costPaint))
	case opLFill:
		d.mask(l, i[0])
		if paint := d.pattern(l, i[2]); paint != nil {
			d.mark(l, l.fill(paint, nil))
		}
	case opLStroke:
		d.mask(l, i[0])
		l.state.pen.set(i[2], i[3], i[4])
		if paint := d.pattern(l, i[5]); paint != nil {
			d.mark(l, l.stroke(paint, costSample))
		}
	}
}

// segment adds to a layer's path. If a buffer has to grow for it, it forgets the
// path so far.
func (d *display) segment(l *layer, o *op) {
	i, f := o.i, o.f
	l.path.begin()
	if l.path.full() {
		d.refuse("a path of more than %d segments", maxSegments)
		return
	}
	fx := func(k int) float64 { return float64(i[k]) }
	switch o.code {
	case opRect:
		d.fit(l, i[1]+i[3], i[2]+i[4])
	case opStart, opLine, opArc:
		d.fit(l, i[1], i[2])
	case opCurve:
		d.fit(l, i[5], i[6])
	}
	if l.flat() {
		return
	}
	l.path.made(o.code)
	switch o.code {
	case opRect:
		l.rect(i[1], i[2], i[3], i[4])
	case opStart:
		l.start(fx(1), fx(2))
	case opLine:
		l.line(fx(1), fx(2))
	case opArc:
		if i[3] >= 0 {
			l.arc(fx(1), fx(2), fx(3), f[0], f[1], i[4] != 0)
		}
	case opCurve:
		l.curve(fx(1), fx(2), fx(3), fx(4), fx(5), fx(6))
	}
}

// mask sets a layer's mask.
func (d *display) mask(l *layer, m int) {
	if m < 0 || m > 0xF || !l.mask(Mask(m)) {
		d.refuse("the unknown channel mask %d", m)
	}
}

// colour returns a premultiplied colour from four arguments.
func colour(v []int) [4]byte {
	part := func(i int) uint32 { return uint32(max(0, min(255, v[i]))) }
	a := part(3)
	return [4]byte{uint8(div255(part(0) * a)), uint8(div255(part(1) * a)), uint8(div255(part(2) * a)), uint8(a)}
}

// pattern returns a source that repeats another layer's canvas, or l's own present
// one.
func (d *display) pattern(l *layer, index int) source {
	from := d.get(index)
	if from == nil || from.canvas().Empty() {
		l.path.finished = true
		d.refuse("a pattern without pixels")
		return nil
	}
	img := from.img
	if offset, ok := shift(l.state.transform); from == l && (!ok || offset != image.Point{}) { // otherwise each pixel is read before it is written
		if d.tooLarge(img.Rect) {
			l.path.finished = true
			return nil
		}
		img = d.snapshot(img, img.Rect)
	}
	return pattern(img, l.state.transform)
}

// snapshot copies a part of an image for one instruction; the copy has the bounds
// of the part.
func (d *display) snapshot(img *image.RGBA, r image.Rectangle) *image.RGBA {
	d.meter.spend(area(r) * 2 * costCopy) // if that is too much, the later drawing is refused
	out := image.NewRGBA(r)
	d.waste = d.waste || len(out.Pix) > maxWaste
	if inside := r.Intersect(img.Rect); !inside.Empty() {
		drawImage(out, inside, img, inside.Min, MaskSrc, false)
	}
	return out
}

// mark records that something visible was drawn.
func (d *display) mark(l *layer, changed bool) {
	if l.index >= 0 && changed {
		d.drawn = true
	}
}

// picture draws a decoded image with the mask that the layer had when the image
// began.
func (d *display) picture(o *op) {
	pic, err := o.pic.wait()
	if err != nil {
		d.refuse("%v", err)
		return
	}
	l := d.get(o.i[1])
	if l == nil {
		return
	}
	at, size := image.Pt(o.i[2], o.i[3]), pic.img.Rect.Max
	d.fit(l, at.X+size.X, at.Y+size.Y)
	d.place(l, pic.img, pic.img.Rect, at, pic.opaque)
}

// copyTo executes copy and transfer. The rectangle ends at the right and lower edge
// of the source. What is to the left of the source or above it is transparent.
func (d *display) copyTo(to *layer, o *op) {
	from := d.get(o.i[0])
	if from == nil {
		return
	}
	function := o.i[5]
	switch {
	case o.code != opTransfer:
		d.mask(to, function)
	case function == 0x5: // has no effect
		return
	case function < 0 || function > 0xF:
		d.refuse("the unknown transfer function %d", function)
		return
	}
	canvas := from.canvas().Max
	r := image.Rectangle{Min: image.Pt(o.i[1], o.i[2])}
	r.Max = image.Pt(min(r.Min.X+o.i[3], canvas.X), min(r.Min.Y+o.i[4], canvas.Y))
	if r.Min.X >= r.Max.X || r.Min.Y >= r.Max.Y {
		return
	}
	at := image.Pt(o.i[7], o.i[8])
	d.fit(to, at.X+r.Dx(), at.Y+r.Dy())
	if o.code == opTransfer {
		d.transfer(from, to, r, at, function)
		return
	}
	inside := r.Intersect(from.canvas())
	if inside.Empty() {
		return
	}
	img, at := from.img, at.Add(inside.Min.Sub(r.Min))
	if from == to { // as if it was copied to another canvas in between
		if offset, ok := to.plain(); ok {
			d.shift(to, inside, at.Add(offset))
			return
		}
		if d.tooLarge(inside) {
			return
		}
		img = d.snapshot(img, inside)
	}
	d.place(to, img, inside, at, false)
}

// shift composites the part r of a layer at another position of the same layer.
func (d *display) shift(l *layer, r image.Rectangle, at image.Point) {
	visible, m := l.visible(), l.state.mask
	dst := r.Sub(r.Min).Add(at).Intersect(visible)
	if !d.meter.spend(area(dst)*(2*costCopy+costDraw(m, false)) + l.around(visible)) {
		return
	}
	through(l.img, dst, dst.Min.Sub(at).Add(r.Min), func(dst image.Rectangle, img *image.RGBA) {
		drawImage(l.img, dst, img, img.Rect.Min, m, false)
	})
	l.touched(dst)
	if m.everywhere() {
		clearAround(l.img, visible, dst)
		l.touched(visible)
	}
	d.mark(l, !dst.Empty() || m.everywhere())
}

// through calls draw with the strips of a rectangle. Each call gets a copy of the
// strip's source; sp is the source of the rectangle's first pixel. The order of the
// strips ensures that none is overwritten before it was copied.
func through(img *image.RGBA, dst image.Rectangle, sp image.Point, draw func(dst image.Rectangle, img *image.RGBA)) {
	if dst.Empty() {
		return
	}
	rows := min(stripRows(dst), dst.Dy())
	buffer := image.NewRGBA(image.Rect(0, 0, dst.Dx(), rows))
	down := dst.Min.Y > sp.Y
	for i := range pieces(dst) {
		y := dst.Min.Y + i*rows
		if down { // the last strip first
			y = dst.Min.Y + (pieces(dst)-1-i)*rows
		}
		strip := image.Rect(dst.Min.X, y, dst.Max.X, min(y+rows, dst.Max.Y))
		part := &image.RGBA{Pix: buffer.Pix, Stride: buffer.Stride, Rect: strip.Sub(dst.Min).Add(sp)}
		inside := part.Rect.Intersect(img.Rect)
		if inside != part.Rect {
			clear(part.Pix)
		}
		if !inside.Empty() {
			drawImage(part, inside, img, inside.Min, MaskSrc, false)
		}
		draw(strip, part)
	}
}

// transfer works on pixels directly: clip, transform and mask do not affect it.
func (d *display) transfer(from, to *layer, r image.Rectangle, at image.Point, function int) {
	dst := r.Sub(r.Min).Add(at).Intersect(to.canvas())
	if dst.Empty() {
		return
	}
	if !d.meter.spend(area(dst) * costTransfer) {
		return
	}
	if r = dst.Sub(at).Add(r.Min); from == to || !r.In(from.img.Rect) {
		through(from.img, dst, r.Min, func(dst image.Rectangle, img *image.RGBA) {
			transferRect(to.img, dst, img, img.Rect.Min, function)
		})
	} else {
		transferRect(to.img, dst, from.img, r.Min, function)
	}
	to.touched(dst)
	d.mark(to, true)
}

// place composites the part r of img at a position of a layer.
func (d *display) place(l *layer, img *image.RGBA, r image.Rectangle, at image.Point, opaque bool) {
	if l.flat() {
		return
	}
	visible, m := l.visible(), l.state.mask
	if offset, ok := l.plain(); ok {
		at = at.Add(offset)
		dst := r.Sub(r.Min).Add(at).Intersect(visible)
		if !d.meter.spend(area(dst)*costDraw(m, opaque) + l.around(visible)) {
			return
		}
		if !dst.Empty() {
			drawImage(l.img, dst, img, r.Min.Add(dst.Min.Sub(at)), m, opaque)
			l.touched(dst)
		}
		if m.everywhere() {
			clearAround(l.img, visible, dst)
			l.touched(visible)
		}
		d.mark(l, !dst.Empty() || m.everywhere())
		return
	}
	t := identity
	if l.state.transform != nil {
		t = *l.state.transform
	}
	t = mul(t, translation(at.Sub(r.Min)))
	shape := outline(t, r)
	l.paint(shape.extent(), costSample, shape.outline(l.canvas(), false), shape.cover, placed(img, r, t))
	d.mark(l, true)
}

// placed returns an image under a transform as a source.
func placed(img *image.RGBA, r image.Rectangle, t f64.Aff3) source {
	if offset, ok := shift(&t); ok {
		return func(x, y int) [4]byte { return [4]byte(img.Pix[img.PixOffset(x-offset.X, y-offset.Y):][:4]) }
	}
	return stretched(img, r, t)
}
