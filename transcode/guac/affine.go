package guac

import (
	"image"
	"math"

	"golang.org/x/image/math/f64"
)

var identity = f64.Aff3{1, 0, 0, 0, 1, 0}

// affine returns the protocol's a, b, c, d, e, f as a matrix.
func affine(v []float64) f64.Aff3 { return f64.Aff3{v[0], v[2], v[4], v[1], v[3], v[5]} }

func translation(p image.Point) f64.Aff3 {
	return f64.Aff3{1, 0, float64(p.X), 0, 1, float64(p.Y)}
}

// mul returns a∘b: first b, then a.
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

// inverse returns the inverse of m, and false if m maps the plane to a line or a
// point.
func inverse(m f64.Aff3) (f64.Aff3, bool) {
	det := m[0]*m[4] - m[1]*m[3]
	inv := f64.Aff3{m[4] / det, -m[1] / det, (m[1]*m[5] - m[4]*m[2]) / det, -m[3] / det, m[0] / det, (m[3]*m[2] - m[0]*m[5]) / det}
	for _, v := range inv {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return identity, false
		}
	}
	return inv, true
}

// shift returns the offset of a transform that only moves by whole pixels.
func shift(m *f64.Aff3) (image.Point, bool) {
	if m == nil {
		return image.Point{}, true
	}
	x, y := math.Trunc(m[2]), math.Trunc(m[5])
	ok := m[0] == 1 && m[1] == 0 && m[3] == 0 && m[4] == 1 && x == m[2] && y == m[5] && math.Abs(x) < 1<<30 && math.Abs(y) < 1<<30
	if !ok {
		return image.Point{}, false
	}
	return image.Pt(int(x), int(y)), true
}

// outline returns the outline of a rectangle under a transform.
func outline(t f64.Aff3, r image.Rectangle) *path {
	var p path
	for i, c := range [][2]int{{r.Min.X, r.Min.Y}, {r.Max.X, r.Min.Y}, {r.Max.X, r.Max.Y}, {r.Min.X, r.Max.Y}} {
		x, y := apply(&t, float64(c[0]), float64(c[1]))
		p.add(min(segmentKind(i), lineTo), x, y)
	}
	p.add(closePath)
	return &p
}
