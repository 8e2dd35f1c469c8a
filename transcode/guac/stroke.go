package guac

import (
	"image"
	"math"

	"github.com/srwiley/rasterx"
	"golang.org/x/image/math/f64"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// Joins as the protocol numbers them.
const (
	joinBevel = iota
	joinMiter
	joinRound
)

// maxPen bounds a pen's width, in pixels.
const maxPen = 1 << 14

// set takes over what can be used; the rest stays as it was, as a canvas
// does it.
func (p *pen) set(lineCap, join, width int) {
	if lineCap >= 0 && lineCap <= 2 {
		p.cap = lineCap
	}
	if join >= joinBevel && join <= joinRound {
		p.join = join
	}
	if width > 0 {
		p.width = float64(min(width, maxPen))
	}
}

// strokeCover rasterises a path, drawn with a pen that the transform
// distorts, within r.
func (p *path) strokeCover(r image.Rectangle, pen pen, transform *f64.Aff3) *image.Alpha {
	mask := image.NewAlpha(r)
	t := identity
	if transform != nil {
		t = *transform
	}
	back, ok := inverse(t)
	if !ok {
		return mask
	}
	trace := &tracer{z: vector.NewRasterizer(r.Dx(), r.Dy()), t: mul(translation(image.Point{}.Sub(r.Min)), t)}
	caps := []rasterx.CapFunc{rasterx.ButtCap, rasterx.RoundCap, rasterx.SquareCap}
	joins := []rasterx.JoinMode{rasterx.Bevel, rasterx.Miter, rasterx.Round}
	stroker := rasterx.NewStroker(r.Dx(), r.Dy(), trace)
	stroker.SetStroke(fix(pen.width), fix(pen.miter), caps[pen.cap], caps[pen.cap], nil, joins[pen.join])
	at := func(s segment, i int) fixed.Point26_6 {
		x, y := apply(&back, s.p[i], s.p[i+1])
		return fixed.Point26_6{X: fix(x), Y: fix(y)}
	}
	p.pieces(func(piece []segment, closed bool) {
		stroker.Start(at(piece[0], 0))
		for _, s := range piece[1:] {
			switch s.kind {
			case lineTo:
				stroker.Line(at(s, 0))
			case curveTo:
				stroker.CubeBezier(at(s, 0), at(s, 2), at(s, 4))
			}
		}
		if closed && at(piece[0], 0) != at(piece[len(piece)-1], lastPoint(piece)) {
			stroker.Line(at(piece[0], 0))
		}
		stroker.Stop(closed)
	})
	trace.z.ClosePath()
	trace.z.Draw(mask, r, image.Opaque, image.Point{})
	return mask
}

// lastPoint is where a piece's end is in its last segment.
func lastPoint(piece []segment) int {
	if piece[len(piece)-1].kind == curveTo {
		return 4
	}
	return 0
}

// pieces calls f with each run of connected segments, the first a moveTo.
func (p *path) pieces(f func(piece []segment, closed bool)) {
	var piece []segment
	for _, s := range p.segments {
		switch s.kind {
		case moveTo:
			if len(piece) > 1 {
				f(piece, false)
			}
			piece = append(piece[:0], s)
		case closePath:
			if len(piece) > 1 {
				f(piece, true)
			}
			if len(piece) > 0 {
				piece = piece[:1] // what follows begins where this began
			}
		default:
			piece = append(piece, s)
		}
	}
	if len(piece) > 1 {
		f(piece, false)
	}
}

func fix(v float64) fixed.Int26_6 { return fixed.Int26_6(max(-1<<26, min(1<<26, math.Round(v*64)))) }

// tracer hands a stroke's outline, transformed, to a rasteriser.
type tracer struct {
	z *vector.Rasterizer
	t f64.Aff3
}

func (o *tracer) point(p fixed.Point26_6) (float32, float32) {
	x, y := apply(&o.t, float64(p.X)/64, float64(p.Y)/64)
	return float32(x), float32(y)
}

// Start and Line take the outline.
func (o *tracer) Start(p fixed.Point26_6) { o.z.ClosePath(); o.z.MoveTo(o.point(p)) }
func (o *tracer) Line(p fixed.Point26_6)  { o.z.LineTo(o.point(p)) }

// The rest of what rasterx wants of a scanner has no use here.
func (o *tracer) Draw()                              {}
func (o *tracer) GetPathExtent() fixed.Rectangle26_6 { return fixed.Rectangle26_6{} }
func (o *tracer) SetBounds(int, int)                 {}
func (o *tracer) SetColor(any)                       {}
func (o *tracer) SetWinding(bool)                    {}
func (o *tracer) Clear()                             {}
func (o *tracer) SetClip(image.Rectangle)            {}
