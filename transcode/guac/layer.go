package guac

import (
	"image"

	"golang.org/x/image/math/f64"
)

// layer is a visible layer (index ≥ 0) or an off-screen buffer (index < 0):
// premultiplied pixels and the state of a drawing context.
type layer struct {
	index int
	img   *image.RGBA // bounds at 0,0; its backing array may be larger
	grows bool        // buffers grow to fit what is drawn

	// Of visible layers above 0.
	parent  *layer
	x, y, z int
	opacity uint8
	distort *f64.Aff3 // nil = identity

	path   path
	state  state
	stack  []state
	damage region // in the layer's own pixels, since the last composition
}

// state is what push and pop save.
type state struct {
	clip      *image.Alpha // coverage, nil = everything
	transform *f64.Aff3    // nil = identity
}

func newLayer(index int) *layer {
	return &layer{index: index, img: image.NewRGBA(image.Rectangle{}), grows: index < 0, opacity: 255}
}

func (l *layer) bounds() image.Rectangle { return l.img.Rect }

// resize changes the size and keeps the top left content; new area is
// transparent. It also resets the drawing state, as resizing a canvas does.
func (l *layer) resize(w, h int) {
	old := l.img
	if old.Rect.Dx() == w && old.Rect.Dy() == h {
		return
	}
	l.img = image.NewRGBA(image.Rect(0, 0, w, h))
	keep := old.Rect.Intersect(l.img.Rect)
	for y := range keep.Dy() {
		copy(l.img.Pix[l.img.PixOffset(0, y):][:4*keep.Dx()], old.Pix[old.PixOffset(0, y):])
	}
	l.state, l.stack = state{}, nil
	l.damage.add(l.img.Rect)
}

// touched records that pixels have changed.
func (l *layer) touched(r image.Rectangle) {
	if l.index >= 0 {
		l.damage.add(r.Intersect(l.bounds()))
	}
}

// set makes the context as new.
func (l *layer) reset() {
	l.state, l.stack = state{}, nil
	l.path = path{}
}

func (l *layer) push() {
	if len(l.stack) < maxStates {
		l.stack = append(l.stack, l.state)
	}
}

func (l *layer) pop() {
	if n := len(l.stack); n > 0 {
		l.state, l.stack = l.stack[n-1], l.stack[:n-1]
	}
}

// plain tells whether pixels go where they are told: no transform, no clip.
func (l *layer) plain() bool { return l.state.transform == nil && l.state.clip == nil }

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

var identity = f64.Aff3{1, 0, 0, 0, 1, 0}

// affine is the protocol's a, b, c, d, e, f as a matrix.
func affine(v []float64) f64.Aff3 { return f64.Aff3{v[0], v[2], v[4], v[1], v[3], v[5]} }

// mul is a∘b: first b, then a.
func mul(a, b f64.Aff3) f64.Aff3 {
	return f64.Aff3{
		a[0]*b[0] + a[1]*b[3], a[0]*b[1] + a[1]*b[4], a[0]*b[2] + a[1]*b[5] + a[2],
		a[3]*b[0] + a[4]*b[3], a[3]*b[1] + a[4]*b[4], a[3]*b[2] + a[4]*b[5] + a[5],
	}
}

func apply(m *f64.Aff3, x, y float64) (float64, float64) {
	if m == nil {
		return x, y
	}
	return m[0]*x + m[1]*y + m[2], m[3]*x + m[4]*y + m[5]
}
