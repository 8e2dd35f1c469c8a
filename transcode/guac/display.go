package guac

import (
	"fmt"
	"image"

	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
)

// display is the state of the remote display: layers, buffers, pointer. It
// is not safe for concurrent use.
type display struct {
	lim    Limits
	layers map[int]*layer
	pixels int // of all layers and buffers together

	cursor   *image.RGBA // nil = none yet
	hotspot  image.Point
	mouse    image.Point
	moved    bool            // a mouse instruction has come
	shown    image.Rectangle // where the pointer was at the last composition
	redraw   bool            // the pointer has changed since
	all      bool            // everything must be composed again
	drawn    bool            // something was drawn on a visible layer
	problems map[string]int  // what was refused, by description
}

func newDisplay(lim Limits) *display {
	d := &display{lim: lim, layers: map[int]*layer{}, problems: map[string]int{}}
	d.layers[0] = newLayer(0)
	return d
}

func (d *display) refuse(format string, args ...any) {
	if len(d.problems) < 100 {
		d.problems[fmt.Sprintf(format, args...)]++
	}
}

// get is the layer or buffer of an index, made on first use; nil when there
// are too many.
func (d *display) get(index int) *layer {
	l := d.layers[index]
	if l != nil {
		return l
	}
	if len(d.layers) >= d.lim.MaxLayers {
		d.refuse("more than %d layers and buffers", d.lim.MaxLayers)
		return nil
	}
	l = newLayer(index)
	d.layers[index] = l
	if index > 0 { // as guacamole-common-js makes them
		root := d.layers[0]
		l.parent = root
		d.resize(l, root.bounds().Dx(), root.bounds().Dy())
	}
	return l
}

// resize changes a layer's size within the limits.
func (d *display) resize(l *layer, w, h int) bool {
	w, h = max(0, w), max(0, h)
	now := l.bounds()
	if w > d.lim.MaxWidth || h > d.lim.MaxHeight || d.pixels-area(now)+w*h > d.lim.MaxPixels {
		d.refuse("a layer of %d×%d pixels", w, h)
		return false
	}
	if l.index > 0 && l.parent != nil {
		d.all = true
	}
	d.pixels += w*h - area(now)
	l.resize(w, h)
	return true
}

// fit makes a buffer large enough for r.
func (d *display) fit(l *layer, r image.Rectangle) {
	if !l.grows || r.Empty() || r.Max.X <= 0 || r.Max.Y <= 0 {
		return
	}
	b := l.bounds()
	if w, h := max(b.Dx(), r.Max.X), max(b.Dy(), r.Max.Y); w != b.Dx() || h != b.Dy() {
		// Grow in steps: a buffer is often filled box by box.
		saved, stack := l.state, l.stack
		d.resize(l, w, h)
		l.state, l.stack = saved, stack
	}
}

// do executes one instruction.
func (d *display) do(o *op) {
	switch o.code {
	case opMouse:
		d.mouse, d.moved, d.redraw = image.Pt(o.i[0], o.i[1]), true, true
		return
	case opCursor:
		d.setCursor(o)
		return
	case opDispose:
		d.dispose(o.i[0])
		return
	case opCopy, opTransfer:
		d.copy(o)
		return
	case opPicture:
		d.picture(o)
		return
	}
	index := o.i[0]
	if o.code == opCFill || o.code == opLFill || o.code == opCStroke || o.code == opLStroke {
		index = o.i[1]
	}
	l := d.get(index)
	if l == nil {
		return
	}
	switch o.code {
	case opSize:
		if d.resize(l, o.i[1], o.i[2]) && l.index == 0 {
			d.all = true
		}
	case opMove:
		d.move(l, o)
	case opShade:
		l.opacity, d.all = uint8(max(0, min(255, o.i[1]))), true
	case opDistort:
		m := affine(o.f)
		l.distort, d.all = &m, true
		if m == identity {
			l.distort = nil
		}
	default:
		d.draw(l, o)
	}
}

// draw executes what changes a layer's path, state or pixels.
func (d *display) draw(l *layer, o *op) {
	f := o.f
	switch o.code {
	case opRect:
		x, y := apply(l.state.transform, f[0], f[1])
		x2, y2 := apply(l.state.transform, f[0]+f[2], f[1]+f[3])
		d.fit(l, image.Rect(clampInt(x), clampInt(y), clampInt(x2), clampInt(y2)))
		l.rect(f[0], f[1], f[2], f[3])
	case opStart:
		l.start(f[0], f[1])
	case opLine:
		l.line(f[0], f[1])
	case opArc:
		l.arc(f[0], f[1], f[2], f[3], f[4], o.i[1] != 0)
	case opCurve:
		l.curve(f[0], f[1], f[2], f[3], f[4], f[5])
	case opClose:
		l.close()
	case opClip:
		l.clip()
	case opPush:
		l.push()
	case opPop:
		l.pop()
	case opReset:
		l.reset()
	case opIdentity:
		l.state.transform = nil
	case opTransform:
		m := identity
		if l.state.transform != nil {
			m = *l.state.transform
		}
		m = mul(m, affine(f))
		l.state.transform = &m
	case opCFill, opCStroke:
		c := colour(o)
		paint := func(int, int) [4]byte { return c }
		if o.code == opCFill {
			l.fill(paint, &c, Mask(o.i[0]))
		} else {
			l.strokePath(stroke{o.i[2], o.i[3], f[0]}, paint, Mask(o.i[0]))
		}
		d.mark(l)
	case opLFill, opLStroke:
		from := o.i[2]
		if o.code == opLStroke {
			from = o.i[4]
		}
		paint := pattern(d.get(from))
		if paint == nil {
			l.path.finished = true
			return
		}
		if o.code == opLFill {
			l.fill(paint, nil, Mask(o.i[0]))
		} else {
			l.strokePath(stroke{o.i[2], o.i[3], f[0]}, paint, Mask(o.i[0]))
		}
		d.mark(l)
	}
}

// colour is the premultiplied colour of a cfill or cstroke.
func colour(o *op) [4]byte {
	at := 2
	if o.code == opCStroke {
		at = 4
	}
	part := func(i int) uint32 { return uint32(max(0, min(255, o.i[at+i]))) }
	a := part(3)
	return [4]byte{uint8(div255(part(0) * a)), uint8(div255(part(1) * a)), uint8(div255(part(2) * a)), uint8(a)}
}

// pattern repeats a layer's pixels in both directions.
func pattern(l *layer) source {
	if l == nil || l.bounds().Empty() {
		return nil
	}
	img := l.img
	w, h := l.bounds().Dx(), l.bounds().Dy()
	return func(x, y int) [4]byte {
		return [4]byte(img.Pix[img.PixOffset(((x%w)+w)%w, ((y%h)+h)%h):][:4])
	}
}

func clampInt(v float64) int { return int(max(-1<<30, min(1<<30, v))) }

func (d *display) mark(l *layer) {
	if l.index >= 0 {
		d.drawn = true
	}
}

// picture draws a decoded image.
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
	at := image.Pt(o.i[2], o.i[3])
	d.place(l, pic.img, pic.img.Rect, at, Mask(o.i[0]), pic.opaque)
}

// copy executes copy and transfer.
func (d *display) copy(o *op) {
	from, to := d.get(o.i[0]), d.get(o.i[6])
	if from == nil || to == nil {
		return
	}
	r := image.Rect(o.i[1], o.i[2], o.i[1]+max(0, o.i[3]), o.i[2]+max(0, o.i[4]))
	at := image.Pt(o.i[7], o.i[8])
	inside := r.Intersect(from.bounds())
	at = at.Add(inside.Min.Sub(r.Min))
	if inside.Empty() {
		return
	}
	img := from.img
	if from == to { // as if through another canvas
		img = image.NewRGBA(image.Rect(0, 0, inside.Dx(), inside.Dy()))
		drawImage(img, img.Rect, from.img, inside.Min, MaskSrc, false)
		inside = img.Rect
	}
	if o.code == opCopy {
		d.place(to, img, inside, at, Mask(o.i[5]), false)
		return
	}
	d.fit(to, inside.Sub(inside.Min).Add(at))
	dst := inside.Sub(inside.Min).Add(at).Intersect(to.bounds())
	if !dst.Empty() {
		transferRect(to.img, dst, img, inside.Min.Add(dst.Min.Sub(at)), o.i[5])
		to.touched(dst)
		d.mark(to)
	}
}

// place composites the part r of img at a point of a layer.
func (d *display) place(l *layer, img *image.RGBA, r image.Rectangle, at image.Point, m Mask, opaque bool) {
	target := r.Sub(r.Min).Add(at)
	if l.plain() {
		d.fit(l, target)
		dst := target.Intersect(l.bounds())
		if !dst.Empty() {
			drawImage(l.img, dst, img, r.Min.Add(dst.Min.Sub(at)), m, opaque)
			l.touched(dst)
			d.mark(l)
		}
		return
	}
	d.placeTransformed(l, img, r, at, m)
}

// placeTransformed is place under a transform or clip.
func (d *display) placeTransformed(l *layer, img *image.RGBA, r image.Rectangle, at image.Point, m Mask) {
	t := identity
	if l.state.transform != nil {
		t = *l.state.transform
	}
	t = mul(t, f64.Aff3{1, 0, float64(at.X - r.Min.X), 0, 1, float64(at.Y - r.Min.Y)})
	box := transformed(t, r)
	d.fit(l, box)
	dst := box.Intersect(l.bounds())
	if dst.Empty() {
		return
	}
	moved := image.NewRGBA(dst)
	draw.BiLinear.Transform(moved, t, img, r, draw.Src, nil)
	var shape path
	for i, c := range [][2]int{{r.Min.X, r.Min.Y}, {r.Max.X, r.Min.Y}, {r.Max.X, r.Max.Y}, {r.Min.X, r.Max.Y}} {
		x, y := apply(&t, float64(c[0]), float64(c[1]))
		shape.add(min(segmentKind(i), lineTo), x, y)
	}
	shape.add(closePath)
	l.paint(dst, shape.cover(dst), func(x, y int) [4]byte { return [4]byte(moved.Pix[moved.PixOffset(x, y):][:4]) }, m)
	d.mark(l)
}

// transformed is a box around a transformed rectangle.
func transformed(t f64.Aff3, r image.Rectangle) image.Rectangle {
	var shape path
	for _, c := range [][2]int{{r.Min.X, r.Min.Y}, {r.Max.X, r.Min.Y}, {r.Max.X, r.Max.Y}, {r.Min.X, r.Max.Y}} {
		x, y := apply(&t, float64(c[0]), float64(c[1]))
		shape.add(lineTo, x, y)
	}
	return shape.extent()
}

func (d *display) move(l *layer, o *op) {
	parent := d.get(o.i[1])
	if l.index <= 0 || parent == nil || parent.index < 0 || parent.within(l) {
		d.refuse("a layer cannot be moved there")
		return
	}
	l.parent, l.x, l.y, l.z = parent, o.i[2], o.i[3], o.i[4]
	d.all = true
}

func (d *display) dispose(index int) {
	l := d.layers[index]
	if l == nil || index == 0 {
		return
	}
	d.pixels -= area(l.bounds())
	delete(d.layers, index)
	for _, other := range d.layers { // what hung on it hangs nowhere
		if other.parent == l {
			other.parent = nil
		}
	}
	d.all = d.all || index > 0
}

func (d *display) setCursor(o *op) {
	d.hotspot, d.redraw = image.Pt(o.i[0], o.i[1]), true
	from := d.get(o.i[2])
	w, h := max(0, o.i[5]), max(0, o.i[6])
	if from == nil || w > maxCursor || h > maxCursor {
		d.refuse("a cursor of %d×%d pixels", w, h)
		return
	}
	d.cursor = image.NewRGBA(image.Rect(0, 0, w, h))
	r := image.Rect(o.i[3], o.i[4], o.i[3]+w, o.i[4]+h)
	inside := r.Intersect(from.bounds())
	if !inside.Empty() {
		drawImage(d.cursor, inside.Sub(r.Min), from.img, inside.Min, MaskSrc, false)
	}
}

// maxCursor bounds a pointer's width and height, in pixels.
const maxCursor = 1024
