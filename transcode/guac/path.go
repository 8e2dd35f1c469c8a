package guac

import (
	"image"
	"image/color"
	"math"

	"github.com/srwiley/rasterx"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// maxSegments bounds a path: more is an attack.
const maxSegments = 1 << 16

type segmentKind uint8

const (
	moveTo segmentKind = iota
	lineTo
	curveTo
	closePath
)

type segment struct {
	kind segmentKind
	p    [6]float64 // already transformed, in the layer's pixels
}

// path is a layer's current path. After a fill, stroke, clip or close it is
// finished: it can be painted again, and the next segment begins a new one
// (guacamole-common-js does the same with a canvas's path).
type path struct {
	segments []segment
	finished bool
	boxes    []image.Rectangle // the whole path, while it consists of whole-pixel boxes
	curved   bool              // it has segments that boxes do not say
	x, y     float64           // current point
}

// begin starts a new path when the last one is finished.
func (p *path) begin() {
	if p.finished {
		*p = path{segments: p.segments[:0], boxes: p.boxes[:0]}
	}
}

func (p *path) add(kind segmentKind, v ...float64) {
	if len(p.segments) >= maxSegments {
		return
	}
	s := segment{kind: kind}
	copy(s.p[:], v)
	p.segments = append(p.segments, s)
	if n := len(v); n >= 2 {
		p.x, p.y = v[n-2], v[n-1]
	}
}

// rect adds a rectangle. Whole-pixel rectangles without a transform are also
// kept as such: they are nearly all there is.
func (l *layer) rect(x, y, w, h float64) {
	l.path.begin()
	corners := [][2]float64{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}
	for i, c := range corners {
		px, py := apply(l.state.transform, c[0], c[1])
		l.path.add(min(segmentKind(i), lineTo), px, py)
	}
	l.path.add(closePath)
	if l.state.transform == nil && x == math.Trunc(x) && y == math.Trunc(y) && w == math.Trunc(w) && h == math.Trunc(h) {
		l.path.boxes = append(l.path.boxes, image.Rect(int(x), int(y), int(x+w), int(y+h)))
	} else {
		l.path.curved = true
	}
}

func (l *layer) start(x, y float64) {
	l.path.begin()
	l.path.curved = true
	px, py := apply(l.state.transform, x, y)
	l.path.add(moveTo, px, py)
}

func (l *layer) line(x, y float64) {
	l.path.begin()
	l.path.curved = true
	px, py := apply(l.state.transform, x, y)
	kind := lineTo
	if len(l.path.segments) == 0 {
		kind = moveTo
	}
	l.path.add(kind, px, py)
}

func (l *layer) curve(c1x, c1y, c2x, c2y, x, y float64) {
	l.path.begin()
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

// arc adds part of a circle as cubic curves of at most a quarter each.
func (l *layer) arc(x, y, r, start, end float64, negative bool) {
	l.path.begin()
	l.path.curved = true
	sweep := end - start
	const turn = 2 * math.Pi
	switch {
	case !negative && sweep >= turn || negative && sweep <= -turn:
		sweep = math.Copysign(turn, sweep)
	case !negative:
		sweep = math.Mod(math.Mod(sweep, turn)+turn, turn)
	default:
		sweep = math.Mod(math.Mod(sweep, turn)-turn, turn)
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

func (l *layer) close() {
	if len(l.path.segments) > 0 && !l.path.finished {
		l.path.add(closePath)
	}
	l.path.finished = true
}

// extent is a box around the path, clipped to what a layer may be.
func (p *path) extent() image.Rectangle {
	first := true
	var x0, y0, x1, y1 float64
	for _, s := range p.segments {
		n := map[segmentKind]int{moveTo: 2, lineTo: 2, curveTo: 6}[s.kind]
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

// cover rasterises the path's inside within r.
func (p *path) cover(r image.Rectangle) *image.Alpha {
	z := vector.NewRasterizer(r.Dx(), r.Dy())
	ox, oy := float64(r.Min.X), float64(r.Min.Y)
	at := func(s segment, i int) (float32, float32) { return float32(s.p[i] - ox), float32(s.p[i+1] - oy) }
	for _, s := range p.segments {
		switch s.kind {
		case moveTo:
			z.MoveTo(at(s, 0))
		case lineTo:
			z.LineTo(at(s, 0))
		case curveTo:
			ax, ay := at(s, 0)
			bx, by := at(s, 2)
			cx, cy := at(s, 4)
			z.CubeTo(ax, ay, bx, by, cx, cy)
		case closePath:
			z.ClosePath()
		}
	}
	mask := image.NewAlpha(r)
	z.Draw(mask, r, image.Opaque, image.Point{})
	return mask
}

// stroke is how a path is drawn as a line.
type stroke struct {
	cap, join int
	width     float64
}

// strokeCover rasterises the path as a line within r.
func (p *path) strokeCover(r image.Rectangle, s stroke) *image.Alpha {
	mask := image.NewAlpha(r)
	local := image.NewAlpha(image.Rect(0, 0, r.Dx(), r.Dy()))
	scanner := rasterx.NewScannerGV(r.Dx(), r.Dy(), local, local.Rect)
	scanner.SetColor(color.Opaque)
	caps := []rasterx.CapFunc{rasterx.ButtCap, rasterx.RoundCap, rasterx.SquareCap}
	joins := []rasterx.JoinMode{rasterx.Bevel, rasterx.Miter, rasterx.Round}
	ending := caps[max(0, min(s.cap, 2))]
	stroker := rasterx.NewStroker(r.Dx(), r.Dy(), scanner)
	stroker.SetStroke(fix(s.width), fix(10), ending, ending, nil, joins[max(0, min(s.join, 2))])
	at := func(sg segment, i int) fixed.Point26_6 {
		return fixed.Point26_6{X: fix(sg.p[i] - float64(r.Min.X)), Y: fix(sg.p[i+1] - float64(r.Min.Y))}
	}
	open := false
	for _, sg := range p.segments {
		switch sg.kind {
		case moveTo:
			if open {
				stroker.Stop(false)
			}
			stroker.Start(at(sg, 0))
			open = true
		case lineTo:
			stroker.Line(at(sg, 0))
		case curveTo:
			stroker.CubeBezier(at(sg, 0), at(sg, 2), at(sg, 4))
		case closePath:
			if open {
				stroker.Stop(true)
				open = false
			}
		}
	}
	if open {
		stroker.Stop(false)
	}
	stroker.Draw()
	mask.Pix = local.Pix
	return mask
}

func fix(v float64) fixed.Int26_6 { return fixed.Int26_6(max(-1<<26, min(1<<26, v*64))) }

// fill paints the path's inside.
func (l *layer) fill(paint source, solid *[4]byte, m Mask) {
	l.path.finished = true
	if !l.path.curved && l.state.clip == nil && solid != nil {
		for _, box := range l.path.boxes {
			r := box.Intersect(l.bounds())
			fillRect(l.img, r, *solid, m)
			l.touched(r)
		}
		return
	}
	r := l.path.extent().Intersect(l.bounds())
	if r.Empty() {
		return
	}
	l.paint(r, l.path.cover(r), paint, m)
}

// stroke paints the path as a line.
func (l *layer) strokePath(s stroke, paint source, m Mask) {
	l.path.finished = true
	reach := int(math.Ceil(max(0, min(s.width, 1<<16))))*10 + 1 // miters
	r := l.path.extent().Inset(-reach).Intersect(l.bounds())
	if r.Empty() || len(l.path.segments) == 0 {
		return
	}
	l.paint(r, l.path.strokeCover(r, s), paint, m)
}

func (l *layer) paint(r image.Rectangle, cover *image.Alpha, paint source, m Mask) {
	l.clipCover(r, cover)
	fillMask(l.img, r, cover, paint, m)
	l.touched(r)
}

// clipCover reduces a coverage mask by the clip.
func (l *layer) clipCover(r image.Rectangle, cover *image.Alpha) {
	clip := l.state.clip
	if clip == nil {
		return
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			i := cover.PixOffset(x, y)
			cover.Pix[i] = uint8(div255(uint32(cover.Pix[i]) * uint32(clip.AlphaAt(x, y).A)))
		}
	}
}

// clip intersects the clip with the path's inside.
func (l *layer) clip() {
	l.path.finished = true
	r := l.bounds()
	cover := image.NewAlpha(r)
	if inside := l.path.extent().Intersect(r); !inside.Empty() {
		part := l.path.cover(inside)
		for y := inside.Min.Y; y < inside.Max.Y; y++ {
			copy(cover.Pix[cover.PixOffset(inside.Min.X, y):][:inside.Dx()], part.Pix[part.PixOffset(inside.Min.X, y):])
		}
	}
	l.clipCover(r, cover)
	l.state.clip = cover
}
