package guac

import (
	"image"
	"math"

	"golang.org/x/image/math/f64"
)

// maxSegments limits a path: more is an attack.
const maxSegments = 1 << 16

type segmentKind uint8

const (
	moveTo segmentKind = iota
	lineTo
	curveTo
	closePath
)

// numbers returns how many coordinates a segment of this kind has.
func (k segmentKind) numbers() int {
	switch k {
	case moveTo, lineTo:
		return 2
	case curveTo:
		return 6
	}
	return 0
}

type segment struct {
	kind segmentKind
	p    [6]float64 // already transformed, in the layer's pixels
}

// path is a layer's current path. A fill, stroke, clip or close finishes it: it can
// be painted again, and the next segment begins a new one. guacamole-common-js does
// the same with a canvas's path.
type path struct {
	segments []segment
	finished bool
	boxes    []image.Rectangle // the whole path, if it consists of boxes at whole pixels
	curved   bool              // it has segments that are not in boxes
	calls    int               // number of instructions that it was made with
	first    [2]opcode         // the first of these
}

// made records an instruction that the path is made with.
func (p *path) made(by opcode) {
	if p.calls < len(p.first) {
		p.first[p.calls] = by
	}
	p.calls++
}

// Browsers skip paths that draw nothing, before masks that affect everything are
// applied. Their rules are simple. A fill is skipped if the path is a single line,
// or an arc of no length; a stroke, if it is a single point.

// fillsNothing reports whether filling the path is skipped.
func (p *path) fillsNothing() bool {
	switch p.calls {
	case 0:
		return true
	case 1:
		return p.first[0] == opLine || p.first[0] == opArc && p.isPoint()
	case 2:
		return p.first == [2]opcode{opStart, opLine} || p.first == [2]opcode{opArc, opClose} && p.isPoint()
	}
	return false
}

// isPoint reports whether all of the path is at one point; starting points without
// segments do not count.
func (p *path) isPoint() bool {
	var at, point [2]float64
	found := false
	for _, s := range p.segments {
		if s.kind == moveTo {
			at = [2]float64(s.p[:2])
			continue
		}
		if !found {
			point, found = at, true
		}
		if at != point {
			return false
		}
		for i := 0; i < s.kind.numbers(); i += 2 {
			if at = [2]float64(s.p[i:]); at != point {
				return false
			}
		}
	}
	return true
}

// full reports whether the path has the maximum number of segments.
func (p *path) full() bool { return len(p.segments) >= maxSegments }

// begin starts a new path if the last one is finished.
func (p *path) begin() {
	if p.finished {
		*p = path{segments: p.segments[:0], boxes: p.boxes[:0]}
	}
}

func (p *path) add(kind segmentKind, v ...float64) {
	if p.full() || !finite(v) {
		return
	}
	s := segment{kind: kind}
	copy(s.p[:], v)
	p.segments = append(p.segments, s)
}

// rect adds a rectangle. If it is not rotated or scaled, it is also kept as a box:
// nearly all rectangles are.
func (l *layer) rect(x, y, w, h int) {
	t := l.state.transform
	for i, c := range [][2]int{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}} {
		px, py := apply(t, float64(c[0]), float64(c[1]))
		l.path.add(min(segmentKind(i), lineTo), px, py)
	}
	l.path.add(closePath)
	if offset, ok := shift(t); ok {
		l.path.boxes = append(l.path.boxes, image.Rect(x, y, x+w, y+h).Add(offset))
	} else {
		l.path.curved = true
	}
}

func (l *layer) start(x, y float64) {
	l.path.curved = true
	px, py := apply(l.state.transform, x, y)
	l.path.add(moveTo, px, py)
}

func (l *layer) line(x, y float64) {
	l.path.curved = true
	px, py := apply(l.state.transform, x, y)
	kind := lineTo
	if len(l.path.segments) == 0 {
		kind = moveTo
	}
	l.path.add(kind, px, py)
}

func (l *layer) curve(c1x, c1y, c2x, c2y, x, y float64) {
	l.path.curved = true
	t := l.state.transform
	ax, ay := apply(t, c1x, c1y)
	bx, by := apply(t, c2x, c2y)
	px, py := apply(t, x, y)
	if len(l.path.segments) == 0 {
		l.path.add(moveTo, ax, ay)
	}
	l.path.add(curveTo, ax, ay, bx, by, px, py)
}

// arc adds a part of a circle as cubic curves of at most a quarter each.
func (l *layer) arc(x, y, r, start, end float64, negative bool) {
	l.path.curved = true
	sweep := end - start
	const turn = 2 * math.Pi
	switch {
	case !negative && sweep >= turn || negative && sweep <= -turn:
		sweep = math.Copysign(turn, sweep)
	case !negative && sweep < 0:
		sweep = turn + math.Mod(sweep, turn)
	case negative && sweep > 0:
		sweep = math.Mod(sweep, turn) - turn
	}
	at := func(a float64) (float64, float64) { return x + r*math.Cos(a), y + r*math.Sin(a) }
	t := l.state.transform
	sx, sy := at(start)
	px, py := apply(t, sx, sy)
	if len(l.path.segments) == 0 {
		l.path.add(moveTo, px, py)
	} else {
		l.path.add(lineTo, px, py)
	}
	steps := int(math.Ceil(math.Abs(sweep)/(math.Pi/2) - 1e-9))
	if steps == 0 {
		return
	}
	step := sweep / float64(steps)
	k := 4.0 / 3 * math.Tan(step/4) * r
	for i := range steps {
		a, b := start+float64(i)*step, start+float64(i+1)*step
		ax, ay := at(a)
		bx, by := at(b)
		c1x, c1y := apply(t, ax-k*math.Sin(a), ay+k*math.Cos(a))
		c2x, c2y := apply(t, bx+k*math.Sin(b), by-k*math.Cos(b))
		ex, ey := apply(t, bx, by)
		l.path.add(curveTo, c1x, c1y, c2x, c2y, ex, ey)
	}
}

// close closes the last piece, also of a path that was painted already.
func (l *layer) close() {
	if len(l.path.segments) > 0 {
		l.path.add(closePath)
		l.path.made(opClose)
	}
	l.path.finished = true
}

// extent returns a box around the path, clipped to the maximum size of a layer.
func (p *path) extent() image.Rectangle {
	first := true
	var x0, y0, x1, y1 float64
	for _, s := range p.segments {
		n := s.kind.numbers()
		for i := 0; i < n; i += 2 {
			if first {
				x0, y0, x1, y1, first = s.p[i], s.p[i+1], s.p[i], s.p[i+1], false
			}
			x0, x1 = min(x0, s.p[i]), max(x1, s.p[i])
			y0, y1 = min(y0, s.p[i+1]), max(y1, s.p[i+1])
		}
	}
	clamp := func(v float64) int { return int(max(-1<<20, min(1<<20, v))) }
	return image.Rect(clamp(math.Floor(x0)), clamp(math.Floor(y0)), clamp(math.Ceil(x1)), clamp(math.Ceil(y1)))
}

// cover rasterises the inside of the path within r.
func (p *path) cover(r image.Rectangle) *image.Alpha {
	e := newEdges(r)
	var x0, y0 float64
	p.flatten(nil, tracing{
		move: func(x, y float64) { x0, y0 = x, y; e.move(x, y) },
		line: e.line,
		end:  func(bool) { e.line(x0, y0) }, // open pieces are treated as closed
	})
	return e.draw()
}

// tracing receives a path's pieces: where each begins, its lines, and whether it
// was closed. If curve is nil, curves become lines.
type tracing struct {
	move, line func(x, y float64)
	curve      func(c [8]float64) // from the first point to the last of four
	end        func(closed bool)
}

// flatten follows the path under a transform and converts curves to lines. It does
// not store the lines, of which there may be millions.
func (p *path) flatten(t *f64.Aff3, to tracing) {
	var x, y, x0, y0 float64 // start of the segment, and of the piece
	begun, drawn := false, false
	move := func(px, py float64) {
		x, y, x0, y0, begun, drawn = px, py, px, py, true, false
		to.move(px, py)
	}
	line := func(px, py float64) {
		if !begun { // the segment that should have begun it was unusable
			move(px, py)
			return
		}
		x, y, drawn = px, py, true
		to.line(px, py)
	}
	end := func(closed bool) {
		if drawn {
			to.end(closed)
		}
	}
	for _, s := range p.segments {
		for i := 0; i < len(s.p); i += 2 {
			s.p[i], s.p[i+1] = apply(t, s.p[i], s.p[i+1])
		}
		switch s.kind {
		case moveTo:
			end(false)
			move(s.p[0], s.p[1])
		case lineTo:
			line(s.p[0], s.p[1])
		case curveTo:
			c := [8]float64{x, y, s.p[0], s.p[1], s.p[2], s.p[3], s.p[4], s.p[5]}
			if to.curve == nil || !begun {
				curve(c, line)
				continue
			}
			x, y, drawn = c[6], c[7], true
			to.curve(c)
		case closePath:
			end(true)
			if begun {
				move(x0, y0) // the next piece begins where this one began
			}
		}
	}
	end(false)
}

// curve converts a cubic curve to lines.
func curve(c [8]float64, line func(x, y float64)) {
	n := lines(c)
	for i := 1; i <= n; i++ {
		u := float64(i) / float64(n)
		v := 1 - u
		a, b, d, e := v*v*v, 3*v*v*u, 3*v*u*u, u*u*u
		line(a*c[0]+b*c[2]+d*c[4]+e*c[6], a*c[1]+b*c[3]+d*c[5]+e*c[7])
	}
}

// maxLines is the maximum number of lines of a curve.
const maxLines = 100

// lines returns how many lines a cubic curve needs to stay within a fiftieth of a
// pixel.
func lines(c [8]float64) int {
	bend := max(math.Hypot(c[0]-2*c[2]+c[4], c[1]-2*c[3]+c[5]), math.Hypot(c[2]-2*c[4]+c[6], c[3]-2*c[5]+c[7]))
	return int(max(1, min(maxLines, math.Ceil(math.Sqrt(6*bend*50/8)))))
}
