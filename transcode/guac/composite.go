package guac

import "image"

// Mask is a composite mask (contract §11.4): bits S where the destination is
// transparent or opaque, D where the source is.
type Mask uint8

// The masks that have a name; others draw as Over.
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

// div255 is x/255 rounded, for x up to 255*255.
func div255(x uint32) uint32 {
	x += 128
	return (x + x>>8) >> 8
}

// factors are Porter and Duff's fractions of source and destination, 0–255.
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
	default:
		return 255, 255 - sa
	}
}

// blend puts one premultiplied pixel over another in place.
func blend(d, s []byte, m Mask) {
	fs, fd := factors(m, uint32(s[3]), uint32(d[3]))
	for i := range 4 {
		d[i] = uint8(min(255, div255(uint32(s[i])*fs)+div255(uint32(d[i])*fd)))
	}
}

// drawImage composites src at sp over the rectangle r of dst. src and dst
// must not be the same image; r lies within dst and its translation to sp
// within src. opaque promises that src has no transparency there.
func drawImage(dst *image.RGBA, r image.Rectangle, src *image.RGBA, sp image.Point, m Mask, opaque bool) {
	if m == MaskOver && !opaque || !known(m) {
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

// source answers the premultiplied colour of a pixel of what is painted.
type source func(x, y int) [4]byte

// fillMask composites paint through a coverage mask whose origin is at r.Min.
func fillMask(dst *image.RGBA, r image.Rectangle, cover *image.Alpha, paint source, m Mask) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			a := uint32(cover.Pix[cover.PixOffset(x, y)])
			if a == 0 {
				continue
			}
			d := dst.Pix[dst.PixOffset(x, y):][:4:4]
			s := paint(x, y)
			if a == 255 {
				blend(d, s[:], m)
				continue
			}
			was := [4]byte(d)
			blend(d, s[:], m)
			for i := range 4 {
				d[i] = uint8(div255(uint32(d[i])*a + uint32(was[i])*(255-a)))
			}
		}
	}
}
