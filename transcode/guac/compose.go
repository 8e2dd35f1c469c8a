package guac

import (
	"cmp"
	"image"
	"slices"

	"golang.org/x/image/math/f64"
)

// compose updates a view from the display and returns what has changed in it, as
// disjoint rectangles. The view is opaque: what nothing covers is black.
func (d *display) compose(v *view) []image.Rectangle {
	var changed region
	if d.all {
		changed.add(v.screen)
		d.all = false
	}
	d.collect(&changed, v.screen)
	if now := d.pointer(); d.redraw {
		if now != d.shown || d.cursor != nil {
			changed.add(d.shown.Intersect(v.screen))
			changed.add(now.Intersect(v.screen))
		}
		d.shown, d.redraw = now, false
	}
	if changed.empty() {
		return nil
	}
	d.meter.spend(len(d.layers) * costLayer * (1 + len(changed.rects)))
	children := d.children()
	return v.update(changed.rects, func(canvas *image.RGBA, r image.Rectangle) {
		if v.scale != nil {
			d.meter.spend(area(r) * costScale)
		}
		d.composeRect(canvas, r, children)
	})
}

// pointer returns the rectangle of the pointer; it is empty before the first mouse
// instruction.
func (d *display) pointer() image.Rectangle {
	if d.cursor == nil || !d.moved {
		return image.Rectangle{}
	}
	return d.cursor.bounds().Add(d.mouse).Sub(d.hotspot)
}

// collect converts the layers' damage to the canvas's pixels and adds it to
// changed.
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

// position returns a layer's offset on the canvas, whether it is attached to the
// screen, and whether a distortion makes the offset meaningless.
func (l *layer) position() (offset image.Point, attached, bent bool) {
	for {
		bent = bent || l.distort != nil
		if l.index == 0 {
			return offset, true, bent
		}
		offset = offset.Add(image.Pt(l.x, l.y))
		if l = l.parent; l == nil {
			return offset, false, bent
		}
	}
}

// children returns the layers on each layer, lowest first.
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
			return cmp.Or(cmp.Compare(a.z, b.z), cmp.Compare(a.order, b.order))
		})
	}
	return on
}

func (d *display) composeRect(canvas *image.RGBA, r image.Rectangle, children map[*layer][]*layer) {
	root := d.layers[0]
	if !d.meter.spend(area(r) * costOver) {
		return
	}
	inside := r.Intersect(root.bounds())
	on := children[root]
	if plain := root.opacity == 255 && root.distort == nil && (len(on) == 0 || on[0].z >= canvasZ); !plain {
		fillRect(canvas, r, [4]byte{0, 0, 0, 255}, MaskSrc)
		d.composeLayer(canvas, r, root, image.Point{}, children)
	} else {
		if inside != r {
			fillRect(canvas, r, [4]byte{0, 0, 0, 255}, MaskSrc)
		}
		if !inside.Empty() {
			overBlack(canvas, inside, root.img)
			for _, child := range on {
				d.composeLayer(canvas, inside, child, image.Point{}, children)
			}
		}
	}
	if at := d.pointer(); d.cursor != nil {
		if inside := at.Intersect(r); !inside.Empty() {
			drawImage(canvas, inside, d.cursor.img, inside.Min.Sub(at.Min), MaskOver, false)
		}
	}
}

// canvasZ is the z of a layer's own pixels among its children.
const canvasZ = -1

// composeLayer draws a layer and the layers on it within r, which is clipped to its
// ancestors; origin is the parent's position on the canvas.
func (d *display) composeLayer(canvas *image.RGBA, r image.Rectangle, l *layer, origin image.Point, children map[*layer][]*layer) {
	origin = origin.Add(image.Pt(l.x, l.y))
	if l.opacity == 0 || l.bounds().Empty() {
		return
	}
	if l.distort != nil {
		d.composeDistorted(canvas, r, l, origin, children)
		return
	}
	inside := r.Intersect(l.bounds().Add(origin))
	if l.opacity < 255 && !d.meter.spend(area(inside)*costFade) {
		return
	}
	switch {
	case inside.Empty():
	case l.opacity == 255:
		d.composeContent(canvas, inside, l, origin, children)
	case len(children[l]) == 0:
		blendFaded(canvas, inside, l.img, inside.Min.Sub(origin), uint32(l.opacity))
	default: // the layer fades together with all layers on it
		strips(inside, func(strip image.Rectangle) {
			group := image.NewRGBA(strip)
			d.composeContent(group, strip, l, origin, children)
			blendFaded(canvas, strip, group, strip.Min, uint32(l.opacity))
		})
	}
}

// composeContent draws a layer's pixels and children without its opacity.
func (d *display) composeContent(canvas *image.RGBA, r image.Rectangle, l *layer, origin image.Point, children map[*layer][]*layer) {
	on := children[l]
	if !d.meter.spend((1+len(on))*costLayer + area(r)*costOver) {
		return
	}
	for len(on) > 0 && on[0].z < canvasZ {
		d.composeLayer(canvas, r, on[0], origin, children)
		on = on[1:]
	}
	drawImage(canvas, r, l.img, r.Min.Sub(origin), MaskOver, false)
	for _, child := range on {
		d.composeLayer(canvas, r, child, origin, children)
	}
}

// composeDistorted flattens a layer with all layers on it and draws the result
// through its transform, whose origin is the layer's centre.
func (d *display) composeDistorted(canvas *image.RGBA, r image.Rectangle, l *layer, origin image.Point, children map[*layer][]*layer) {
	if d.tooLarge(l.bounds()) || !d.meter.spend(area(l.bounds())*costOver) {
		return
	}
	flat := image.NewRGBA(l.bounds())
	d.waste = d.waste || len(flat.Pix) > maxWaste
	d.composeContent(flat, flat.Rect, l, image.Point{}, children)
	cx, cy := float64(l.size.X)/2, float64(l.size.Y)/2
	t := mul(f64.Aff3{1, 0, cx, 0, 1, cy}, mul(*l.distort, f64.Aff3{1, 0, -cx, 0, 1, -cy}))
	t = mul(translation(origin), t)
	shape := outline(t, flat.Rect)
	paint := placed(flat, flat.Rect, t)
	within := shape.extent().Intersect(r)
	if !d.meter.spend(area(within)*costSample + shape.outline(within, false).cost(pieces(within))) {
		return
	}
	strips(within, func(strip image.Rectangle) {
		cover := shape.cover(strip)
		for i, a := range cover.Pix {
			cover.Pix[i] = uint8(div255(uint32(a) * uint32(l.opacity)))
		}
		fillMask(canvas, cover, clip{rect: strip}, paint, MaskOver)
	})
}

// blendFaded draws with source-over and an opacity.
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
