package guac

import "image"

// view is the visible display: the canvas of a frame. It is smaller than the screen
// if the screen has more pixels than a video may have.
type view struct {
	screen image.Rectangle // of the largest display
	canvas *image.RGBA
	scale  *scaler // nil = the canvas is as large as the screen
}

// newView returns a view of a screen with a size.
func newView(screen, size image.Point) *view {
	v := &view{screen: image.Rectangle{Max: screen}, canvas: image.NewRGBA(image.Rectangle{Max: size})}
	if screen != size {
		v.scale = &scaler{x: newAxis(screen.X, size.X), y: newAxis(screen.Y, size.Y)}
	}
	return v
}

// update draws the changed parts of the screen, for which it calls compose piece by
// piece, and returns what has changed on the canvas.
func (v *view) update(changed []image.Rectangle, compose func(canvas *image.RGBA, r image.Rectangle)) []image.Rectangle {
	if v.scale == nil {
		for _, r := range changed {
			compose(v.canvas, r)
		}
		return changed
	}
	var there region // rectangles that are disjoint on the screen may share pixels here
	for _, r := range changed {
		there.add(v.scale.target(r))
	}
	for _, r := range there.rects {
		v.scale.draw(v.canvas, r, compose)
	}
	return there.rects
}

// scaler makes a smaller picture: each pixel is the mean of those that it covers,
// completely or in part.
type scaler struct {
	x, y axis
	sums []uint32 // of one row, four per pixel
	row  []uint32 // one source row, scaled horizontally only
}

// axis says how the pixels of one direction are scaled.
type axis struct {
	from    []int      // for each pixel: the first source pixel that it covers
	weights [][]uint32 // of that one and the following; their sum is one
}

// one is the sum of a pixel's weights, in 1/2048. A sum of bytes multiplied by the
// weights of both directions fits into 32 bits.
const one = 1 << 11

func newAxis(source, target int) axis {
	a := axis{from: make([]int, target), weights: make([][]uint32, target)}
	for i := range target {
		// In units of 1/target of a source pixel.
		low, high := i*source, (i+1)*source
		first := low / target
		a.from[i] = first
		left := uint32(one)
		for p := first; p*target < high; p++ {
			part := min((p+1)*target, high) - max(p*target, low)
			weight := uint32((part*one + source/2) / source)
			weight = min(weight, left)
			if (p+1)*target >= high { // the rest from rounding
				weight = left
			}
			left -= weight
			a.weights[i] = append(a.weights[i], weight)
		}
	}
	return a
}

// target returns which pixels cover the part of the source from low up to high.
func (a axis) target(low, high, source int) (from, to int) {
	n := len(a.from)
	return low * n / source, min((high*n+source-1)/source, n)
}

// source returns the part of the source that the pixels from low up to high cover.
func (a axis) source(low, high int) (from, to int) {
	return a.from[low], a.from[high-1] + len(a.weights[high-1])
}

// size returns the length of the source.
func (a axis) size() int {
	_, n := a.source(0, len(a.from))
	return n
}

// target returns the part of the canvas that shows a part of the screen.
func (s *scaler) target(r image.Rectangle) (t image.Rectangle) {
	t.Min.X, t.Max.X = s.x.target(r.Min.X, r.Max.X, s.x.size())
	t.Min.Y, t.Max.Y = s.y.target(r.Min.Y, r.Max.Y, s.y.size())
	return t
}

// draw draws a part of the canvas again, in strips, so that the composed images are
// small.
func (s *scaler) draw(canvas *image.RGBA, r image.Rectangle, compose func(canvas *image.RGBA, r image.Rectangle)) {
	var source image.Rectangle
	source.Min.X, source.Max.X = s.x.source(r.Min.X, r.Max.X)
	rows := max(1, stripRows(source)*len(s.y.from)/s.y.size())
	var strip *image.RGBA
	for y := r.Min.Y; y < r.Max.Y; y += rows {
		end := min(y+rows, r.Max.Y)
		source.Min.Y, source.Max.Y = s.y.source(y, end)
		if strip == nil || len(strip.Pix) < 4*area(source) {
			strip = image.NewRGBA(source)
		}
		strip.Rect = source
		compose(strip, source)
		for line := y; line < end; line++ {
			s.line(canvas, line, r.Min.X, r.Max.X, strip)
		}
	}
}

// line computes a row of the canvas between two columns.
func (s *scaler) line(canvas *image.RGBA, y, from, to int, strip *image.RGBA) {
	n := 4 * (to - from)
	if len(s.sums) < n {
		s.sums, s.row = make([]uint32, n), make([]uint32, n)
	}
	sums, row := s.sums[:n], s.row[:n]
	for k, weight := range s.y.weights[y] {
		s.across(row, from, to, strip, s.y.from[y]+k)
		for i, v := range row {
			if k == 0 {
				sums[i] = v * weight
			} else {
				sums[i] += v * weight
			}
		}
	}
	out := canvas.Pix[canvas.PixOffset(from, y):][:n]
	for i, v := range sums {
		out[i] = uint8((v + one*one/2) / (one * one))
	}
}

// across scales a row of the source horizontally.
func (s *scaler) across(row []uint32, from, to int, strip *image.RGBA, y int) {
	left := strip.Rect.Min.X
	line := strip.Pix[strip.PixOffset(left, y):]
	for x := from; x < to; x++ {
		var r, g, b uint32
		p := line[4*(s.x.from[x]-left):]
		for k, weight := range s.x.weights[x] {
			q := p[4*k : 4*k+4 : 4*k+4]
			r += uint32(q[0]) * weight
			g += uint32(q[1]) * weight
			b += uint32(q[2]) * weight
		}
		out := row[4*(x-from) : 4*(x-from)+4 : 4*(x-from)+4]
		out[0], out[1], out[2], out[3] = r, g, b, 255*one
	}
}
