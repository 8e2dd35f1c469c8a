package guac

import (
	"cmp"
	"image"
	"math"

	"github.com/srwiley/rasterx"
	"golang.org/x/image/math/f64"
	"golang.org/x/image/math/fixed"
)

// Joins as the protocol numbers them.
const (
	joinBevel = iota
	joinMiter
	joinRound
)

// capRound is the number of the round cap.
const capRound = 1

// maxPen bounds a pen's width, in pixels.
const maxPen = 1 << 12

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
	t := identity
	if transform != nil {
		t = *transform
	}
	back, ok := inverse(t)
	if !ok {
		return image.NewAlpha(r)
	}
	trace := &tracer{edges: newEdges(r), t: t}
	caps := []rasterx.CapFunc{rasterx.ButtCap, rasterx.RoundCap, rasterx.SquareCap}
	joins := []rasterx.JoinMode{rasterx.Bevel, rasterx.Miter, rasterx.Round}
	stroker := rasterx.NewStroker(r.Dx(), r.Dy(), trace)
	// The product of both must fit in 31 bits.
	miter := fixed.Int26_6(64 * min(pen.miter, math.MaxInt32/64/float64(fix(pen.width))))
	stroker.SetStroke(fix(pen.width), miter, caps[pen.cap], caps[pen.cap], nil, joins[pen.join])
	var first, last, way fixed.Point26_6 // of the piece, of the last line, and its direction
	drawn := false                       // pieces without a length are not drawn
	line := func(to fixed.Point26_6) {
		if to == last {
			return
		}
		if !drawn {
			stroker.Start(first)
		}
		ahead := to.Sub(last)
		if pen.join == joinRound && drawn && reversed(way, ahead) { // rasterx joins no such lines
			last = last.Add(fixed.Point26_6{X: -sign(way.Y), Y: sign(way.X)})
			stroker.Line(last)
		}
		stroker.Line(to)
		last, way, drawn = to, ahead, true
	}
	p.flatten(&back, tracing{
		move: func(x, y float64) {
			first = point(x, y)
			last, way, drawn = first, fixed.Point26_6{}, false
		},
		line: func(x, y float64) { line(point(x, y)) },
		end: func(closed bool) {
			if closed {
				line(first)
			}
			if drawn {
				stroker.Stop(closed)
			}
		},
	})
	return trace.edges.draw()
}

// reversed tells whether a line goes back where another came from.
func reversed(a, b fixed.Point26_6) bool {
	ax, ay, bx, by := int64(a.X), int64(a.Y), int64(b.X), int64(b.Y)
	return ax*by == ay*bx && ax*bx+ay*by < 0
}

// sign is two units in the direction of v.
func sign(v fixed.Int26_6) fixed.Int26_6 { return 2 * fixed.Int26_6(cmp.Compare(v, 0)) }

// finer is by how much strokes are computed larger, for the sake of
// precision: rasterx counts in sixty-fourths.
const finer = 8

func fix(v float64) fixed.Int26_6 {
	return fixed.Int26_6(max(-1<<26, min(1<<26, math.Round(v*finer*64))))
}

func point(x, y float64) fixed.Point26_6 { return fixed.Point26_6{X: fix(x), Y: fix(y)} }

// tracer hands a stroke's outline, transformed, to a rasteriser.
type tracer struct {
	edges *edges
	t     f64.Aff3
}

func (o *tracer) point(p fixed.Point26_6) (float64, float64) {
	return apply(&o.t, float64(p.X)/(finer*64), float64(p.Y)/(finer*64))
}

// Start and Line take the outline.
func (o *tracer) Start(p fixed.Point26_6) { o.edges.move(o.point(p)) }
func (o *tracer) Line(p fixed.Point26_6)  { o.edges.line(o.point(p)) }

// The rest of what rasterx wants of a scanner has no use here.
func (o *tracer) Draw()                              {}
func (o *tracer) GetPathExtent() fixed.Rectangle26_6 { return fixed.Rectangle26_6{} }
func (o *tracer) SetBounds(int, int)                 {}
func (o *tracer) SetColor(any)                       {}
func (o *tracer) SetWinding(bool)                    {}
func (o *tracer) Clear()                             {}
func (o *tracer) SetClip(image.Rectangle)            {}
