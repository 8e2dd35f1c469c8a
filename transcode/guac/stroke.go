package guac

import (
	"image"
	"math"

	"golang.org/x/image/math/f64"
)

// Joins and caps with the protocol's numbers.
const (
	joinBevel = iota
	joinMiter
	joinRound
)

const (
	capButt = iota
	capRound
	capSquare
)

// maxPen limits a pen's width, in pixels.
const maxPen = 1 << 12

// set sets what is valid; the rest stays unchanged, as in a canvas.
func (p *pen) set(lineCap, join, width int) {
	if lineCap >= capButt && lineCap <= capSquare {
		p.cap = lineCap
	}
	if join >= joinBevel && join <= joinRound {
		p.join = join
	}
	if width > 0 {
		p.width = float64(min(width, maxPen))
	}
}

// strokeCover rasterises within r a path that is stroked with a pen under a
// transform.
func (p *path) strokeCover(r image.Rectangle, pen pen, transform *f64.Aff3) *image.Alpha {
	t := identity
	if transform != nil {
		t = *transform
	}
	back, ok := inverse(t)
	if !ok {
		return image.NewAlpha(r)
	}
	e := newEdges(r)
	s := stroker{pen: pen, half: pen.width / 2}
	s.move = func(v vec) { e.move(apply(&t, v.x, v.y)) }
	s.line = func(v vec) { e.line(apply(&t, v.x, v.y)) }
	p.flatten(&back, tracing{
		move:  func(x, y float64) { s.begin(vec{x, y}) },
		line:  func(x, y float64) { s.to(vec{x, y}, s.pen.join) },
		curve: s.curve,
		end:   s.end,
	})
	return e.draw()
}

// vec is a point or a direction.
type vec struct{ x, y float64 }

func (v vec) add(w vec) vec           { return vec{v.x + w.x, v.y + w.y} }
func (v vec) sub(w vec) vec           { return vec{v.x - w.x, v.y - w.y} }
func (v vec) times(f float64) vec     { return vec{v.x * f, v.y * f} }
func (v vec) dot(w vec) float64       { return v.x*w.x + v.y*w.y }
func (v vec) cross(w vec) float64     { return v.x*w.y - v.y*w.x }
func (v vec) turned(side float64) vec { return vec{-side * v.y, side * v.x} } // by a quarter turn

// stroker converts the lines of a path to the outlines of the pen's stroke. The
// outlines of a piece are closed and have the same direction, so that none
// subtracts from another.
type stroker struct {
	pen        pen
	half       float64 // half of its width
	move, line func(vec)

	first, last vec // first and last point of the piece
	drawn       bool
	way         vec     // direction of the last line, of length 1
	length      float64 // length of the last line
	sides       [2]vec  // where the last line begins, on both sides
	start       vec     // direction of the first line, which is drawn at the end
	opening     float64 // length of the first line
	opened      bool    // the first line has ended
	openTo      [2]vec  // where the first line ends
}

// short is the length of a line without direction, in pixels.
const short = 1e-6

// unit returns a direction with the length 1, and the original length: 0 if v has
// no direction.
func (v vec) unit() (way vec, length float64) {
	length = math.Hypot(v.x, v.y)
	if !(length > short) || math.IsInf(length, 0) {
		return vec{}, 0
	}
	return v.times(1 / length), length
}

func (s *stroker) begin(at vec) { s.first, s.last, s.drawn, s.opened = at, at, false, false }

// to draws a line from the end of the last one.
func (s *stroker) to(at vec, join int) {
	if way, length := at.sub(s.last).unit(); length > 0 { // lines without length are not drawn
		s.turn(way, length, join)
		s.last = at
	}
}

// turn ends the last line, and begins one with a direction and length.
func (s *stroker) turn(way vec, length float64, join int) {
	if s.drawn {
		end, begin := s.meet(way, length, join)
		s.finish(end)
		s.sides = begin
	} else {
		s.start, s.opening, s.drawn = way, length, true
	}
	s.way, s.length = way, length
}

// curve draws a curve as lines with only round joins between them. It begins and
// ends in the curve's own directions, not in those of its lines.
func (s *stroker) curve(c [8]float64) {
	p := [4]vec{{c[0], c[1]}, {c[2], c[3]}, {c[4], c[5]}, {c[6], c[7]}}
	direction := func(from vec, to ...vec) (way vec, ok bool) {
		for _, v := range to {
			if way, length := v.sub(from).unit(); length > 0 {
				return way, true
			}
		}
		return vec{}, false
	}
	way, ok := direction(p[0], p[1:]...)
	if !ok { // it is a point
		return
	}
	s.turn(way, 0, s.pen.join)
	curve(c, func(x, y float64) { s.to(vec{x, y}, joinRound) })
	if back, ok := direction(p[3], p[2], p[1], p[0]); ok {
		s.turn(back.times(-1), 0, joinRound)
	}
}

// both returns the points at a distance on either side of a point.
func both(at, n vec) [2]vec { return [2]vec{at.add(n), at.sub(n)} }

// finish draws the last line up to its ends on both sides. The first line of a
// piece is drawn later, because the last line of a closed piece meets it.
func (s *stroker) finish(to [2]vec) {
	if !s.opened {
		s.opened, s.openTo = true, to
		return
	}
	s.outline(s.sides[0], s.sides[1], to[1], to[0])
}

// end closes the piece, or adds caps.
func (s *stroker) end(closed bool) {
	if closed && s.drawn && !s.opened { // one line, there and back, which is drawn once
		closed = false
		defer func(before int) { s.pen.cap = before }(s.pen.cap)
		if s.pen.cap = capButt; s.pen.join == joinRound {
			s.pen.cap = capRound
		}
	}
	if closed {
		s.to(s.first, s.pen.join)
	}
	if !s.drawn {
		return
	}
	end, begin := both(s.last, s.way.turned(s.half)), both(s.first, s.start.turned(s.half))
	if closed {
		end, begin = s.meet(s.start, s.opening, s.pen.join)
	} else {
		s.cap(s.last, s.way)
		s.cap(s.first, s.start.times(-1))
	}
	s.finish(end)
	s.outline(begin[0], begin[1], s.openTo[1], s.openTo[0])
}

// meet returns where the last line ends and the next begins, on both sides. On the
// inner side of a bend the lines meet in one point if they are long enough. They
// must not overlap, because the rasteriser would count the overlap twice. If the
// bend is so small that no join would be visible, as in a curve, they meet on both
// sides. Otherwise a join fills the gap on the outer side.
func (s *stroker) meet(way vec, length float64, join int) (end, begin [2]vec) {
	at := s.last
	end, begin = both(at, s.way.turned(s.half)), both(at, way.turned(s.half))
	bend := math.Atan2(s.way.cross(way), s.way.dot(way))
	inner := 1
	if bend > 0 {
		inner = 0
	}
	centre, c := at, math.Cos(bend/2)
	if long := math.Abs(math.Tan(bend/2))*s.half <= min(s.length, length)/2; long {
		corners := both(at, s.way.add(way).turned(s.half/(2*c*c)))
		const unseen = 0.1 // pixels
		if c > 0.9 && s.half*(1/c-c) < unseen {
			return corners, corners
		}
		centre = corners[inner]
		end[inner], begin[inner] = centre, centre
	}
	s.join(centre, at, s.way, way, join, bend)
	return end, begin
}

// outline draws a closed outline.
func (s *stroker) outline(points ...vec) {
	s.move(points[0])
	for _, p := range points[1:] {
		s.line(p)
	}
	s.line(points[0])
}

// cap ends a line that ends in a point.
func (s *stroker) cap(at, way vec) {
	n := way.turned(s.half)
	switch s.pen.cap {
	case capRound:
		s.outline(append([]vec{at}, s.arc(at, n.times(-1), math.Pi)...)...)
	case capSquare:
		ahead := way.times(s.half)
		s.outline(at.add(n), at.sub(n), at.sub(n).add(ahead), at.add(n).add(ahead))
	}
}

// join fills the gap on the outer side of the meeting point of two lines, beginning
// at a point on the inner side.
func (s *stroker) join(centre, at, in, out vec, join int, bend float64) {
	side := 1.0 // side of the gap: on the left of lines that bend right
	if bend > 0 {
		side = -1
	}
	a, b := in.turned(side*s.half), out.turned(side*s.half)
	shape := []vec{centre, at.add(a), at.add(b)}
	switch join {
	case joinRound:
		shape = append([]vec{centre}, s.arc(at, a, bend)...)
	case joinMiter:
		// The distance of the tip is half the width divided by the cosine of half
		// the bend.
		if c := math.Cos(bend / 2); c > short && 1/c <= s.pen.miter {
			tip := a.add(b).times(1 / (2 * c * c))
			shape = []vec{centre, at.add(a), at.add(tip), at.add(b)}
		}
	}
	if side > 0 { // all outlines have the same direction
		for i, j := 1, len(shape)-1; i < j; i, j = i+1, j-1 {
			shape[i], shape[j] = shape[j], shape[i]
		}
	}
	s.outline(shape...)
}

// arc returns points on a circle around a centre, beginning with one at a distance.
// They are so dense that the lines between them stay within a fiftieth of a pixel.
func (s *stroker) arc(centre, from vec, angle float64) []vec {
	step := 2 * math.Acos(max(0, 1-0.02/max(s.half, 0.02)))
	n := int(max(1, min(maxArc, math.Ceil(math.Abs(angle)/step))))
	points := make([]vec, 0, n+1)
	for i := range n + 1 {
		sin, cos := math.Sincos(angle * float64(i) / float64(n))
		points = append(points, centre.add(vec{from.x*cos - from.y*sin, from.x*sin + from.y*cos}))
	}
	return points
}

// maxArc is the maximum number of lines of half a circle.
const maxArc = 300
