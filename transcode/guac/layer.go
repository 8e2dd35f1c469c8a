package guac

import (
	"image"

	"golang.org/x/image/math/f64"
)

// layer is a visible layer (index ≥ 0) or an off-screen buffer (index < 0):
// premultiplied pixels and the state of a drawing context.
type layer struct {
	index int
	meter *meter      // of the display
	img   *image.RGBA // the canvas, bounds at 0,0: the layer's size, rounded up
	size  image.Point // of the layer
	grows bool        // buffers grow to fit the drawing

	// Fields of visible layers.
	parent  *layer
	order   int // siblings of the same z are ordered by their creation
	x, y, z int
	opacity uint8
	distort *f64.Aff3 // nil = identity

	path   path
	state  state
	base   Mask // the mask after a reset of the context
	stack  []state
	damage region // in the layer's own pixels, since the last composition
}

// state is what push and pop save.
type state struct {
	clip      *clip     // nil = everything
	transform *f64.Aff3 // nil = identity
	mask      Mask      // of the last drawing
	pen       pen
}

// clip is where drawing has an effect: a rectangle, or a coverage within it.
type clip struct {
	rect  image.Rectangle
	cover *image.Alpha // nil = all of rect
}

// pen is how a path is stroked.
type pen struct {
	cap, join    int
	width, miter float64
}

// canvasStep divides the sides of all canvases. guacamole-common-js does the same,
// and it is visible: what is drawn beyond a layer's edge may be copied, and appears
// when the layer grows.
const canvasStep = 64

func canvasSide(n int) int { return (n + canvasStep - 1) / canvasStep * canvasStep }

func newLayer(index int, m *meter) *layer {
	l := &layer{index: index, meter: m, img: image.NewRGBA(image.Rectangle{}), grows: index < 0, opacity: 255, base: MaskOver}
	l.reset()
	return l
}

// bounds returns the visible area of the layer, canvas the area that can be drawn
// on.
func (l *layer) bounds() image.Rectangle { return image.Rectangle{Max: l.size} }
func (l *layer) canvas() image.Rectangle { return l.img.Rect }

// resize changes the size and keeps the content at the top left. New area is
// transparent, unless the canvas had it already. It also resets the drawing state,
// as resizing a canvas does.
func (l *layer) resize(w, h int) {
	if l.size == image.Pt(w, h) {
		return
	}
	if cw, ch := canvasSide(w), canvasSide(h); l.img.Rect.Dx() == cw && l.img.Rect.Dy() == ch {
		l.reset()
	} else {
		old := l.img
		l.img = image.NewRGBA(image.Rect(0, 0, cw, ch))
		keep := l.bounds().Intersect(image.Rect(0, 0, w, h))
		for y := range keep.Dy() {
			copy(l.img.Pix[l.img.PixOffset(0, y):][:4*keep.Dx()], old.Pix[old.PixOffset(0, y):])
		}
		l.base = l.state.mask // the mask is not reset then
		l.reset()
	}
	l.size = image.Pt(w, h)
	if l.index >= 0 {
		l.damage.add(l.bounds())
	}
}

// touched records that pixels have changed.
func (l *layer) touched(r image.Rectangle) {
	if l.index >= 0 {
		l.damage.add(r.Intersect(l.bounds()))
	}
}

// reset resets the context to its initial state.
func (l *layer) reset() {
	l.state = state{mask: l.base, pen: pen{join: joinMiter, width: 1, miter: 10}}
	l.stack = nil
	l.path = path{segments: l.path.segments[:0], boxes: l.path.boxes[:0]}
}

// push saves the state; it returns false if too many are saved.
func (l *layer) push() bool {
	if len(l.stack) >= maxStates {
		return false
	}
	l.stack = append(l.stack, l.state)
	return true
}

func (l *layer) pop() {
	if n := len(l.stack); n > 0 {
		l.state, l.stack = l.stack[n-1], l.stack[:n-1]
	}
}

// mask sets how drawing is composited. For an unknown mask it changes nothing and
// returns false: the previous mask stays in use.
func (l *layer) mask(m Mask) bool {
	if known(m) {
		l.state.mask = m
	}
	return known(m)
}

// visible returns the part of the canvas within the clip.
func (l *layer) visible() image.Rectangle {
	if c := l.state.clip; c != nil {
		return l.canvas().Intersect(c.rect)
	}
	return l.canvas()
}

// plain reports whether pixels can be copied unchanged, by an offset: the transform
// only moves by whole pixels, and the clip is at most a rectangle.
func (l *layer) plain() (offset image.Point, ok bool) {
	if l.state.clip != nil && l.state.clip.cover != nil {
		return image.Point{}, false
	}
	return shift(l.state.transform)
}

// flat reports whether the transform maps the plane to a line or a point, so that
// nothing can be drawn.
func (l *layer) flat() bool {
	if l.state.transform == nil {
		return false
	}
	_, ok := inverse(*l.state.transform)
	return !ok
}

// maxStates limits the stack of saved states.
const maxStates = 256

// within reports whether l is other or one of its descendants.
func (l *layer) within(other *layer) bool {
	for ; l != nil; l = l.parent {
		if l == other {
			return true
		}
	}
	return false
}
