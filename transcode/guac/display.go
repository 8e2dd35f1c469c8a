package guac

import (
	"fmt"
	"image"
	"runtime"
)

// display is the state of the remote display: layers, buffers, pointer. It
// is not safe for concurrent use.
type display struct {
	lim    Limits
	meter  *meter
	layers map[int]*layer
	pixels int // in the canvases of all layers and buffers
	moves  int // how often a layer was moved to another parent

	cursor   *layer // nil = none yet
	hotspot  image.Point
	mouse    image.Point
	moved    bool            // there was a mouse instruction
	shown    image.Rectangle // where the pointer was at the last composition
	redraw   bool            // the pointer has changed since
	all      bool            // everything must be composed again
	waste    bool            // much memory has become garbage
	drawn    bool            // something was drawn on a visible layer
	problems map[string]int  // refused instructions, by description
}

// newDisplay returns a display whose work is counted by m. Work that the meter does
// not allow is not done.
func newDisplay(lim Limits, m *meter) *display {
	d := &display{lim: lim, meter: m, layers: map[int]*layer{}, problems: map[string]int{}}
	d.layers[0] = newLayer(0, m)
	return d
}

func (d *display) refuse(format string, args ...any) {
	count(d.problems, fmt.Sprintf(format, args...))
}

// get returns the layer or buffer with an index and creates it on first use; nil if
// there are too many.
func (d *display) get(index int) *layer {
	l := d.layers[index]
	if l != nil {
		return l
	}
	if len(d.layers) >= d.lim.MaxLayers {
		d.refuse("more than %d layers and buffers", d.lim.MaxLayers)
		return nil
	}
	l = newLayer(index, d.meter)
	d.layers[index] = l
	if index > 0 { // with the size that guacamole-common-js gives them
		root := d.layers[0]
		l.parent = root
		d.append(l)
		d.resize(l, root.size.X, root.size.Y)
	}
	return l
}

// resize changes a layer's size within the limits.
func (d *display) resize(l *layer, w, h int) {
	w, h = max(0, w), max(0, h)
	now, then := area(l.canvas()), canvasSide(w)*canvasSide(h)
	others := d.pixels - area(d.layers[0].canvas())
	if !d.lim.Allows(w, h) || l.index != 0 && others-now+then > d.lim.MaxPixels {
		d.refuse("a layer of %d×%d pixels", w, h)
		return
	}
	if l.size != image.Pt(w, h) && !d.meter.spend(2*then*costCopy) { // the new canvas is cleared, and the old one is copied
		return
	}
	if l.index == 0 || l.parent != nil {
		d.all = true
	}
	d.pixels += then - now
	d.waste = d.waste || max(now, then)*4 > maxWaste
	l.resize(w, h)
}

// fit enlarges a buffer so that it reaches to x, y.
func (d *display) fit(l *layer, x, y int) {
	if l.grows && (x > l.size.X || y > l.size.Y) {
		d.resize(l, max(x, l.size.X), max(y, l.size.Y))
	}
}

// do executes one instruction.
func (d *display) do(o *op) {
	if !d.meter.spend(costOp) {
		return
	}
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
		if to := d.get(o.i[6]); to != nil {
			d.copyTo(to, o)
		}
		return
	case opPicture:
		d.picture(o)
		return
	}
	index := o.i[0]
	switch o.code {
	case opMask, opCFill, opLFill, opCStroke, opLStroke:
		index = o.i[1]
	}
	l := d.get(index)
	if l == nil {
		return
	}
	switch o.code {
	case opSize:
		d.resize(l, o.i[1], o.i[2])
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

// move puts a layer on another one, above its siblings of the same z if it was not
// there before.
func (d *display) move(l *layer, o *op) {
	parent := d.get(o.i[1])
	if l.index <= 0 || parent == nil || parent.index < 0 || parent.within(l) {
		d.refuse("a layer cannot be moved there")
		return
	}
	if l.parent != parent {
		l.parent = parent
		d.append(l)
	}
	l.x, l.y, l.z = o.i[2], o.i[3], o.i[4]
	d.all = true
}

// append makes a layer the last of its siblings.
func (d *display) append(l *layer) {
	d.moves++
	l.order = d.moves
}

func (d *display) dispose(index int) {
	l := d.layers[index]
	if l == nil || index == 0 {
		return
	}
	d.meter.spend(len(d.layers) * costLayer)
	d.pixels -= area(l.canvas())
	delete(d.layers, index)
	for _, other := range d.layers { // its children lose their parent
		if other.parent == l {
			other.parent = nil
		}
	}
	d.all = d.all || index > 0
}

// setCursor makes a part of a layer the pointer's image.
func (d *display) setCursor(o *op) {
	d.hotspot, d.redraw = image.Pt(o.i[0], o.i[1]), true
	w, h := max(0, o.i[5]), max(0, o.i[6])
	if w > maxCursor || h > maxCursor {
		d.refuse("a cursor of %d×%d pixels", w, h)
		return
	}
	if d.cursor == nil {
		d.cursor = newLayer(-1, d.meter)
		d.cursor.grows = false
	}
	d.cursor.resize(w, h)
	part := *o
	part.i = [9]int{o.i[2], o.i[3], o.i[4], w, h, int(MaskSrc)}
	d.copyTo(d.cursor, &part)
}

// holes returns the number of pixels of the screen on which nothing was drawn.
func (d *display) holes() (n int) {
	root := d.layers[0]
	r := root.bounds()
	d.meter.spend(area(r) * costCopy)
	for y := range r.Dy() {
		line := root.img.Pix[root.img.PixOffset(0, y):][:4*r.Dx()]
		for i := 3; i < len(line); i += 4 {
			if line[i] != 255 {
				n++
			}
		}
	}
	return n
}

// whole reports whether something visible was drawn, and the screen has no more
// holes than before.
func (d *display) whole(had int) bool {
	return d.drawn && !d.layers[0].bounds().Empty() && d.holes() <= had
}

// maxWaste is the size in bytes up to which the memory of a copy is left to the
// garbage collector.
const maxWaste = 32 << 20

// tidy frees the memory of large copies before more is allocated.
func (d *display) tidy() {
	if d.waste {
		d.waste = false
		runtime.GC()
	}
}

// tooLarge reports whether an area is larger than one instruction may copy, and
// counts the refusal.
func (d *display) tooLarge(r image.Rectangle) bool {
	if area(r) <= smallScreen {
		return false
	}
	d.refuse("a copy of %d×%d pixels", r.Dx(), r.Dy())
	return true
}

// maxCursor limits a pointer's width and height, in pixels.
const maxCursor = 1024
