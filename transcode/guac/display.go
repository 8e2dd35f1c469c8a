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
	pixels int // of the canvases of all layers and buffers together
	moves  int // how often a layer was put on another

	cursor   *layer // nil = none yet
	hotspot  image.Point
	mouse    image.Point
	moved    bool            // a mouse instruction has come
	shown    image.Rectangle // where the pointer was at the last composition
	redraw   bool            // the pointer has changed since
	all      bool            // everything must be composed again
	waste    bool            // much memory is done with
	drawn    bool            // something was drawn on a visible layer
	problems map[string]int  // what was refused, by description
}

// newDisplay makes a display whose work is counted. What the meter does not
// allow is left out.
func newDisplay(lim Limits, m *meter) *display {
	d := &display{lim: lim, meter: m, layers: map[int]*layer{}, problems: map[string]int{}}
	d.layers[0] = newLayer(0, m)
	return d
}

func (d *display) refuse(format string, args ...any) {
	count(d.problems, fmt.Sprintf(format, args...))
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
	l = newLayer(index, d.meter)
	d.layers[index] = l
	if index > 0 { // as guacamole-common-js makes them
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
	if w > d.lim.MaxWidth || h > d.lim.MaxHeight || d.pixels-now+then > d.lim.MaxPixels {
		d.refuse("a layer of %d×%d pixels", w, h)
		return
	}
	if l.size != image.Pt(w, h) && !d.meter.spend(2*then*costCopy) { // it is cleared, and what there was is copied
		return
	}
	if l.index == 0 || l.parent != nil {
		d.all = true
	}
	d.pixels += then - now
	d.waste = d.waste || max(now, then)*4 > maxWaste
	l.resize(w, h)
}

// fit makes a buffer large enough for what reaches to x, y.
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
	if o.code == opCFill || o.code == opLFill || o.code == opCStroke || o.code == opLStroke {
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

// move puts a layer on another. One that is new there lies above its siblings
// of the same z.
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
	for _, other := range d.layers { // what hung on it hangs nowhere
		if other.parent == l {
			other.parent = nil
		}
	}
	d.all = d.all || index > 0
}

// setCursor makes a part of a layer the pointer's picture.
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

// maxWaste is how large a copy of pixels may be, in bytes, whose memory the
// collector is left to find by itself.
const maxWaste = 32 << 20

// tidy frees the memory of large copies before more is taken.
func (d *display) tidy() {
	if d.waste {
		d.waste = false
		runtime.GC()
	}
}

// maxCursor bounds a pointer's width and height, in pixels.
const maxCursor = 1024
