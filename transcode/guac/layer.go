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
	grows bool        // buffers grow to fit what is drawn

	// Of visible layers.
	parent  *layer
	order   int // siblings of the same z lie by the order of their coming
	x, y, z int
	opacity uint8
	distort *f64.Aff3 // nil = identity

	path   path
	state  state
	base   Mask // the mask of a context that was reset
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

// clip is where drawing has an effect: a rectangle, or a coverage in one.
type clip struct {
	rect  image.Rectangle
	cover *image.Alpha // nil = all of rect
}

// pen is how a path is drawn as a line.
type pen struct {
	cap, join    int
	width, miter float64
}

// canvasStep is what a canvas's sides are multiples of. guacamole-common-js
// has it so, and it can be seen: what is drawn beyond a layer's edge may be
// copied, and comes to light when the layer grows.
const canvasStep = 64

func canvasSide(n int) int { return (n + canvasStep - 1) / canvasStep * canvasStep }

func newLayer(index int, m *meter) *layer {
	l := &layer{index: index, meter: m, img: image.NewRGBA(image.Rectangle{}), grows: index < 0, opacity: 255, base: MaskOver}
	l.reset()
	return l
}

// bounds is the layer as it is shown, canvas what can be drawn on.
func (l *layer) bounds() image.Rectangle { return image.Rectangle{Max: l.size} }
func (l *layer) canvas() image.Rectangle { return l.img.Rect }

// resize changes the size and keeps the top left content; new area is
// transparent, unless the canvas had it already. It also resets the drawing
// state, as resizing a canvas does.
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
		l.base = l.state.mask // which is not reset then
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

// reset makes the context as new.
func (l *layer) reset() {
	l.state = state{mask: l.base, pen: pen{join: joinMiter, width: 1, miter: 10}}
	l.stack = nil
	l.path = path{segments: l.path.segments[:0], boxes: l.path.boxes[:0]}
}

// push saves the state; it tells whether there is room.
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

// mask sets how drawing is composited. A mask that nobody knows changes
// nothing: the one before goes on to be used.
func (l *layer) mask(m Mask) bool {
	if known(m) {
		l.state.mask = m
	}
	return known(m)
}

// visible is the part of the canvas that the clip lets be drawn on.
func (l *layer) visible() image.Rectangle {
	if c := l.state.clip; c != nil {
		return l.canvas().Intersect(c.rect)
	}
	return l.canvas()
}

// plain tells whether pixels go whole from one place to another: there is no
// transform but by whole pixels, the offset, and no clip but a rectangle.
func (l *layer) plain() (offset image.Point, ok bool) {
	if l.state.clip != nil && l.state.clip.cover != nil {
		return image.Point{}, false
	}
	return shift(l.state.transform)
}

// maxStates bounds the stack of saved states.
const maxStates = 256

// within tells whether l is other or below it.
func (l *layer) within(other *layer) bool {
	for ; l != nil; l = l.parent {
		if l == other {
			return true
		}
	}
	return false
}
