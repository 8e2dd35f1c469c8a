package guac

import (
	"image"
	"math"

	"golang.org/x/image/math/f64"
)

// fill paints the inside of the path. If the paint has one colour, solid is that
// colour, and otherwise nil. It reports whether anything may have changed.
func (l *layer) fill(paint source, solid *[4]byte) bool {
	p := &l.path
	p.finished = true
	if len(p.segments) == 0 || l.flat() || p.fillsNothing() {
		return false
	}
	visible, m := l.visible(), l.state.mask
	if _, ok := l.plain(); ok && solid != nil && !p.curved && (len(p.boxes) == 1 || !m.everywhere() && disjoint(p.boxes)) {
		each := costBlend
		if m == MaskSrc || m == MaskOver && solid[3] == 255 {
			each = costCopy
		}
		for _, box := range p.boxes {
			r := box.Intersect(visible)
			if !l.meter.spend(area(r)*each + l.around(visible)) {
				return false
			}
			fillRect(l.img, r, *solid, m)
			l.touched(r)
			if m.everywhere() {
				clearAround(l.img, visible, r)
				l.touched(visible)
			}
		}
		return true
	}
	each := costSample
	if solid != nil {
		each = costPaint
	}
	l.paint(p.extent(), each, p.outline(l.canvas(), false), p.cover, paint)
	return true
}

// disjoint reports whether boxes are few and do not overlap: then each can be
// filled separately.
func disjoint(boxes []image.Rectangle) bool {
	if len(boxes) > 64 {
		return false
	}
	for i, a := range boxes {
		for _, b := range boxes[:i] {
			if a.Overlaps(b) {
				return false
			}
		}
	}
	return true
}

// stroke paints the path as a line; each is the cost per pixel.
func (l *layer) stroke(paint source, each int) bool {
	p := &l.path
	p.finished = true
	if len(p.segments) == 0 || l.flat() || p.isPoint() {
		return false
	}
	reach := l.state.pen.width * max(1.5, l.state.pen.miter) / 2
	if t := l.state.transform; t != nil {
		reach *= max(math.Hypot(t[0], t[3]), math.Hypot(t[1], t[4]))
	}
	r := p.extent().Inset(-int(min(reach, 1<<20)) - 2)
	l.paint(r, each, p.outline(l.canvas(), l.state.transform != nil).stroked(l.state.pen, reach, l.canvas()), func(r image.Rectangle) *image.Alpha { return p.strokeCover(r, l.state.pen, l.state.transform) }, paint)
	return true
}

// around returns the cost of clearing the area around a shape, for masks that
// affect everything.
func (l *layer) around(visible image.Rectangle) int {
	if !l.state.mask.everywhere() {
		return 0
	}
	return area(visible) * costCopy
}

// paint composites through a coverage, which cover rasterises piece by piece;
// outside of r nothing is covered. each is the cost per pixel, and o the outline, which
// has a cost too.
func (l *layer) paint(r image.Rectangle, each int, o outlineWork, cover func(image.Rectangle) *image.Alpha, paint source) {
	visible := l.visible()
	r = r.Intersect(visible)
	changed := r
	if l.state.mask.everywhere() {
		changed = visible
	}
	if !l.meter.spend(area(changed)*each + o.cost(pieces(changed))) {
		return
	}
	var c clip
	if l.state.clip != nil {
		c.cover = l.state.clip.cover
	}
	strips(changed, func(strip image.Rectangle) {
		c.rect = strip
		fillMask(l.img, cover(r.Intersect(strip)), c, paint, l.state.mask)
	})
	l.touched(changed)
}

// strips splits a rectangle into strips, so that temporary images are small.
func strips(r image.Rectangle, f func(image.Rectangle)) {
	rows := stripRows(r)
	for y := r.Min.Y; y < r.Max.Y; y += rows {
		f(image.Rect(r.Min.X, y, r.Max.X, min(y+rows, r.Max.Y)))
	}
}

// stripRows returns the height of a strip.
func stripRows(r image.Rectangle) int {
	const pixels = 1 << 19
	return max(1, pixels/max(1, r.Dx()))
}

// pieces returns the number of strips.
func pieces(r image.Rectangle) int { return (r.Dy() + stripRows(r) - 1) / stripRows(r) }

// clip intersects the clip with the inside of the path. It returns false if there
// are too many clips.
func (l *layer) clip() bool {
	p, old := &l.path, l.state.clip
	p.finished = true
	if l.flat() {
		return true
	}
	r := p.extent().Intersect(l.visible())
	if !p.curved && len(p.boxes) == 1 {
		c := &clip{rect: r}
		if old != nil {
			c.cover = old.cover
		}
		l.state.clip = c
		return true
	}
	// Every saved state may keep a coverage in memory.
	kept := area(r)
	for i, s := range l.stack {
		if s.clip != nil && s.clip.cover != nil && (i == 0 || s.clip != l.stack[i-1].clip) {
			kept += len(s.clip.cover.Pix)
		}
	}
	if kept > maxClips*min(area(l.canvas()), smallScreen) {
		return false
	}
	if !l.meter.spend(area(r)*costBlend + p.outline(l.canvas(), false).cost(1)) {
		return true
	}
	cover := p.cover(r)
	if old != nil && old.cover != nil {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				i := cover.PixOffset(x, y)
				cover.Pix[i] = uint8(div255(uint32(cover.Pix[i]) * uint32(old.cover.AlphaAt(x, y).A)))
			}
		}
	}
	l.state.clip = &clip{rect: r, cover: cover}
	return true
}

// maxClips limits the clips that a layer's saved states keep, in canvases.
const maxClips = 4

// pattern returns a source that repeats an image in both directions, beginning at
// the origin of a transform.
func pattern(img *image.RGBA, transform *f64.Aff3) source {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if offset, ok := shift(transform); ok {
		return func(x, y int) [4]byte {
			x, y = (x-offset.X)%w, (y-offset.Y)%h
			if x < 0 {
				x += w
			}
			if y < 0 {
				y += h
			}
			return [4]byte(img.Pix[img.PixOffset(x, y):][:4])
		}
	}
	around := func(v float64, n int) int {
		v = math.Mod(v, float64(n))
		if v < 0 {
			v += float64(n)
		}
		return min(int(v), n-1)
	}
	return sampled(img, *transform, func(x, y float64) (int, int) { return around(x, w), around(y, h) })
}

// stretched returns an image under a transform as a source; outside of the image,
// its border pixels are repeated.
func stretched(img *image.RGBA, r image.Rectangle, t f64.Aff3) source {
	within := func(v float64, low, high int) int { return int(max(float64(low), min(float64(high-1), v))) }
	return sampled(img, t, func(x, y float64) (int, int) {
		return within(x, r.Min.X, r.Max.X), within(y, r.Min.Y, r.Max.Y)
	})
}

// sampled returns a source that interpolates between the four pixels around a
// point; at converts whole coordinates to those of a pixel.
func sampled(img *image.RGBA, t f64.Aff3, at func(x, y float64) (int, int)) source {
	back, ok := inverse(t)
	if !ok {
		return func(int, int) [4]byte { return [4]byte{} }
	}
	return func(x, y int) [4]byte {
		u, v := apply(&back, float64(x)+0.5, float64(y)+0.5)
		u, v = u-0.5, v-0.5
		u0, v0 := math.Floor(u), math.Floor(v)
		var sum [4]float64
		for i := range 4 {
			du, dv := float64(i&1), float64(i>>1)
			weight := math.Abs(1-du-(u-u0)) * math.Abs(1-dv-(v-v0))
			px, py := at(u0+du, v0+dv)
			for c, b := range img.Pix[img.PixOffset(px, py):][:4] {
				sum[c] += weight * float64(b)
			}
		}
		var out [4]byte
		for c, s := range sum {
			out[c] = uint8(s + 0.5)
		}
		return out
	}
}
