package guac

import "image"

// Mask is a composite mask of four bits. 0x8 draws the source where the destination
// is transparent, and 0x4 where it is opaque. 0x2 keeps the destination where the
// source is transparent, and 0x1 where it is opaque.
type Mask uint8

// The valid masks.
const (
	MaskDestIn   Mask = 0x1
	MaskDestOut  Mask = 0x2
	MaskSrcIn    Mask = 0x4
	MaskSrcAtop  Mask = 0x6
	MaskSrcOut   Mask = 0x8
	MaskDestAtop Mask = 0x9
	MaskXor      Mask = 0xA
	MaskDestOver Mask = 0xB
	MaskSrc      Mask = 0xC
	MaskOver     Mask = 0xE
	MaskAdd      Mask = 0xF
)

// div255 returns x/255 rounded, for x up to 255*255.
func div255(x uint32) uint32 {
	x += 128
	return (x + x>>8) >> 8
}

// factors returns Porter and Duff's fractions of source and destination, 0–255.
func factors(m Mask, sa, da uint32) (fs, fd uint32) {
	switch m {
	case MaskDestIn:
		return 0, sa
	case MaskDestOut:
		return 0, 255 - sa
	case MaskSrcIn:
		return da, 0
	case MaskSrcAtop:
		return da, 255 - sa
	case MaskSrcOut:
		return 255 - da, 0
	case MaskDestAtop:
		return 255 - da, sa
	case MaskXor:
		return 255 - da, 255 - sa
	case MaskDestOver:
		return 255 - da, 255
	case MaskSrc:
		return 255, 0
	case MaskAdd:
		return 255, 255
	default: // MaskOver
		return 255, 255 - sa
	}
}

// blend composites one premultiplied pixel with another in place.
func blend(d, s []byte, m Mask) {
	fs, fd := factors(m, uint32(s[3]), uint32(d[3]))
	for i := range 4 {
		d[i] = uint8(min(255, div255(uint32(s[i])*fs)+div255(uint32(d[i])*fd)))
	}
}

// drawImage composites src at sp over the rectangle r of dst. src and dst must be
// different images; r must be within dst, and the same area at sp within src.
// opaque means that src has no transparency there.
func drawImage(dst *image.RGBA, r image.Rectangle, src *image.RGBA, sp image.Point, m Mask, opaque bool) {
	if m == MaskOver && !opaque {
		overRect(dst, r, src, sp)
		return
	}
	n := 4 * r.Dx()
	for y := range r.Dy() {
		d := dst.Pix[dst.PixOffset(r.Min.X, r.Min.Y+y):][:n]
		s := src.Pix[src.PixOffset(sp.X, sp.Y+y):][:n]
		if m == MaskSrc || opaque && m == MaskOver {
			copy(d, s)
			continue
		}
		for i := 0; i < n; i += 4 {
			blend(d[i:i+4:i+4], s[i:i+4:i+4], m)
		}
	}
}

func known(m Mask) bool {
	switch m {
	case MaskDestIn, MaskDestOut, MaskSrcIn, MaskSrcAtop, MaskSrcOut, MaskDestAtop, MaskXor, MaskDestOver, MaskSrc, MaskOver, MaskAdd:
		return true
	}
	return false
}

// fillRect composites one premultiplied colour over the rectangle r of dst.
func fillRect(dst *image.RGBA, r image.Rectangle, c [4]byte, m Mask) {
	if r.Empty() {
		return
	}
	n := 4 * r.Dx()
	if m == MaskSrc || m == MaskOver && c[3] == 255 {
		first := dst.Pix[dst.PixOffset(r.Min.X, r.Min.Y):][:n]
		for i := 0; i < n; i += 4 {
			copy(first[i:i+4], c[:])
		}
		for y := r.Min.Y + 1; y < r.Max.Y; y++ {
			copy(dst.Pix[dst.PixOffset(r.Min.X, y):][:n], first)
		}
		return
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := dst.Pix[dst.PixOffset(r.Min.X, y):][:n]
		for i := 0; i < n; i += 4 {
			blend(row[i:i+4:i+4], c[:], m)
		}
	}
}

// everywhere reports whether a mask also affects pixels outside of the drawn shape:
// the source is transparent there, and the mask clears them.
func (m Mask) everywhere() bool {
	switch m {
	case MaskDestIn, MaskSrcIn, MaskSrcOut, MaskDestAtop, MaskSrc:
		return true
	}
	return false
}

// clearAround clears what is in r, but outside of inner.
func clearAround(dst *image.RGBA, r, inner image.Rectangle) {
	inner = inner.Intersect(r)
	if inner.Empty() {
		inner = image.Rectangle{Min: r.Min, Max: r.Min}
	}
	for _, part := range []image.Rectangle{
		image.Rect(r.Min.X, r.Min.Y, r.Max.X, inner.Min.Y), image.Rect(r.Min.X, inner.Max.Y, r.Max.X, r.Max.Y),
		image.Rect(r.Min.X, inner.Min.Y, inner.Min.X, inner.Max.Y), image.Rect(inner.Max.X, inner.Min.Y, r.Max.X, inner.Max.Y),
	} {
		fillRect(dst, part, [4]byte{}, MaskSrc)
	}
}

// source returns the premultiplied colour of the paint at a pixel.
type source func(x, y int) [4]byte

// fillMask composites paint, weighted by cover, where c allows it. The bounds of
// cover and c must be within dst, and those of cover within those of c.
func fillMask(dst *image.RGBA, cover *image.Alpha, c clip, paint source, m Mask) {
	r := cover.Rect
	if m.everywhere() {
		r = c.rect
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			allowed := uint32(255)
			if c.cover != nil {
				allowed = uint32(c.cover.AlphaAt(x, y).A)
			}
			a := uint32(cover.AlphaAt(x, y).A)
			if allowed == 0 || a == 0 && !m.everywhere() {
				continue
			}
			var s [4]byte
			if a > 0 {
				s = paint(x, y)
			}
			if m.everywhere() { // at the shape's edge, the source is weighted
				for i := range s {
					s[i] = uint8(div255(uint32(s[i]) * a))
				}
			} else { // at the shape's edge, the result is weighted
				allowed = div255(allowed * a)
			}
			d := dst.Pix[dst.PixOffset(x, y):][:4:4]
			was := [4]byte(d)
			blend(d, s[:], m)
			if allowed == 255 {
				continue
			}
			for i := range 4 {
				d[i] = uint8(div255(uint32(d[i])*allowed + uint32(was[i])*(255-allowed)))
			}
		}
	}
}
