package guac

import (
	"image"
	"slices"

	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
)

// compose brings a canvas up to date with the display and returns what has
// changed, as disjoint rectangles. The canvas is opaque: what nothing covers
// is black.
func (d *display) compose(canvas *image.RGBA) []image.Rectangle {
	var changed region
	if d.all {
		changed.add(canvas.Rect)
		d.all = false
	}
	d.collect(&changed, canvas.Rect)
	if now := d.pointer(); d.redraw {
		if now != d.shown || d.cursor != nil {
			changed.add(d.shown.Intersect(canvas.Rect))
			changed.add(now.Intersect(canvas.Rect))
		}
		d.shown, d.redraw = now, false
	}
	if changed.empty() {
		return nil
	}
	children := d.children()
	for _, r := range changed.rects {
		d.composeRect(canvas, r, children)
	}
	return changed.rects
}

// pointer is where the pointer is shown; empty before the first mouse.
func (d *display) pointer() image.Rectangle {
	if d.cursor == nil || !d.moved {
		return image.Rectangle{}
	}
	return d.cursor.Rect.Add(d.mouse).Sub(d.hotspot)
}

// collect moves the layers' damage, in the canvas's pixels, into changed.
func (d *display) collect(changed *region, canvas image.Rectangle) {
	for _, l := range d.layers {
		if l.damage.empty() {
			continue
		}
		if l.index >= 0 {
			offset, attached, bent := l.position()
			for _, r := range l.damage.rects {
				switch {
				case bent:
					changed.add(canvas)
				case attached:
					changed.add(r.Add(offset).Intersect(canvas))
				}
			}
		}
		l.damage.clear()
	}
}

// position is a layer's offset on the canvas, whether it is shown there at
// all, and whether a distortion makes offsets meaningless.
func (l *layer) position() (offset image.Point, attached, bent bool) {
	for l.index != 0 {
		offset = offset.Add(image.Pt(l.x, l.y))
		bent = bent || l.distort != nil
		if l = l.parent; l == nil {
			return offset, false, bent
		}
	}
	return offset, true, bent
}

// children lists the layers on each layer, the lowest first: by z, and by
// index where z is the same, as elements added later lie higher.
func (d *display) children() map[*layer][]*layer {
	if len(d.layers) == 1 {
		return nil
	}
	on := map[*layer][]*layer{}
	for _, l := range d.layers {
		if l.index > 0 && l.parent != nil {
			on[l.parent] = append(on[l.parent], l)
		}
	}
	for _, list := range on {
		slices.SortFunc(list, func(a, b *layer) int {
			if a.z != b.z {
				return a.z - b.z
			}
			return a.index - b.index
		})
	}
	return on
}

func (d *display) composeRect(canvas *image.RGBA, r image.Rectangle, children map[*layer][]*layer) {
	root := d.layers[0]
	inside := r.Intersect(root.bounds())
	if inside != r {
		fillRect(canvas, r, [4]byte{0, 0, 0, 255}, MaskSrc)
	}
	if !inside.Empty() {
		overBlack(canvas, inside, root.img)
		for _, child := range children[root] {
			d.composeLayer(canvas, inside, child, image.Point{}, 255, children)
		}
	}
	if at := d.pointer(); d.cursor != nil {
		if inside := at.Intersect(r); !inside.Empty() {
			drawImage(canvas, inside, d.cursor, inside.Min.Sub(at.Min), MaskOver, false)
		}
	}
}

// composeLayer draws a layer and what lies on it within r, which is already
// clipped to its ancestors; origin is the parent's place on the canvas.
func (d *display) composeLayer(canvas *image.RGBA, r image.Rectangle, l *layer, origin image.Point, opacity uint32, children map[*layer][]*layer) {
	opacity = div255(opacity * uint32(l.opacity))
	if opacity == 0 {
		return
	}
	origin = origin.Add(image.Pt(l.x, l.y))
	if l.distort != nil {
		d.composeDistorted(canvas, r, l, origin, opacity, children)
		return
	}
	inside := r.Intersect(l.bounds().Add(origin))
	if inside.Empty() {
		return
	}
	if opacity == 255 {
		drawImage(canvas, inside, l.img, inside.Min.Sub(origin), MaskOver, false)
	} else {
		blendFaded(canvas, inside, l.img, inside.Min.Sub(origin), opacity)
	}
	for _, child := range children[l] {
		d.composeLayer(canvas, inside, child, origin, opacity, children)
	}
}

// composeDistorted flattens a layer with all that lies on it and draws the
// result through its transform, whose origin is the layer's top left corner.
func (d *display) composeDistorted(canvas *image.RGBA, r image.Rectangle, l *layer, origin image.Point, opacity uint32, children map[*layer][]*layer) {
	flat := image.NewRGBA(l.bounds())
	if flat.Rect.Empty() {
		return
	}
	drawImage(flat, flat.Rect, l.img, image.Point{}, MaskSrc, false)
	for _, child := range children[l] {
		d.composeLayer(flat, flat.Rect, child, image.Point{}, 255, children)
	}
	t := mul(f64.Aff3{1, 0, float64(origin.X), 0, 1, float64(origin.Y)}, *l.distort)
	box := transformed(t, flat.Rect).Intersect(r)
	if box.Empty() {
		return
	}
	bent := image.NewRGBA(box)
	draw.BiLinear.Transform(bent, t, flat, flat.Rect, draw.Src, nil)
	blendFaded(canvas, box, bent, box.Min, opacity)
}

// blendFaded is source-over with an opacity.
func blendFaded(dst *image.RGBA, r image.Rectangle, src *image.RGBA, sp image.Point, opacity uint32) {
	for y := range r.Dy() {
		d := dst.Pix[dst.PixOffset(r.Min.X, r.Min.Y+y):][:4*r.Dx()]
		s := src.Pix[src.PixOffset(sp.X, sp.Y+y):][:4*r.Dx()]
		for i := 0; i < len(d); i += 4 {
			k := 255 - div255(uint32(s[i+3])*opacity)
			for c := range 4 {
				d[i+c] = uint8(min(255, div255(uint32(s[i+c])*opacity)+div255(uint32(d[i+c])*k)))
			}
		}
	}
}
