package guac

import (
	"image"
	"math"

	"golang.org/x/image/vector"
)

// edges rasterises outlines within a rectangle. It clips them first, because the
// rasteriser computes wrong results, or fails, for distant points.
type edges struct {
	r    image.Rectangle
	z    *vector.Rasterizer
	x, y float64 // where the next line begins, relative to the rectangle's corner
}

func newEdges(r image.Rectangle) *edges {
	return &edges{r: r, z: vector.NewRasterizer(r.Dx(), r.Dy())}
}

func (e *edges) move(x, y float64) { e.x, e.y = x-float64(e.r.Min.X), y-float64(e.r.Min.Y) }

// line adds an edge. Above, below and to the right of the rectangle it has no
// effect; to the left of it, only its height matters.
func (e *edges) line(x, y float64) {
	ax, ay := e.x, e.y
	e.move(x, y)
	bx, by := e.x, e.y
	if !finite([]float64{ax, ay, bx, by}) || ay == by {
		return
	}
	down := ay < by
	if !down {
		ax, ay, bx, by = bx, by, ax, ay
	}
	at := func(y float64) float64 { return ax + (y-ay)/(by-ay)*(bx-ax) }
	top, bottom := max(ay, 0), min(by, float64(e.r.Dy()))
	if top >= bottom {
		return
	}
	// The edge is cut at the heights at which it crosses the left and right sides.
	cuts := [4]float64{top, top, bottom, bottom}
	if ax != bx {
		left, right := ay-ax/(bx-ax)*(by-ay), ay+(float64(e.r.Dx())-ax)/(bx-ax)*(by-ay)
		cuts[1] = max(top, min(bottom, min(left, right)))
		cuts[2] = max(top, min(bottom, max(left, right)))
	}
	for i := range 3 {
		if cuts[i] < cuts[i+1] {
			e.piece(at(cuts[i]), cuts[i], at(cuts[i+1]), cuts[i+1], down)
		}
	}
}

// piece adds a piece that is within the rectangle, or beside it.
func (e *edges) piece(ax, ay, bx, by float64, down bool) {
	w := float64(e.r.Dx())
	ax, bx = max(0, min(w, ax)), max(0, min(w, bx))
	if !down {
		ax, ay, bx, by = bx, by, ax, ay
	}
	e.z.MoveTo(float32(ax), float32(ay))
	e.z.LineTo(float32(bx), float32(by))
}

// draw returns how much of each pixel is inside of the outlines.
func (e *edges) draw() *image.Alpha {
	mask := image.NewAlpha(e.r)
	e.z.Draw(mask, e.r, image.Opaque, image.Point{})
	return mask
}

func finite(v []float64) bool {
	for _, f := range v {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return false
		}
	}
	return true
}
