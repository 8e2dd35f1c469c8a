package guac

import (
	"encoding/binary"
	"image"
)

// overRectInGo is overRect for builds without cgo.
func overRectInGo(dst *image.RGBA, r image.Rectangle, src *image.RGBA, sp image.Point) {
	n := 4 * r.Dx()
	for y := range r.Dy() {
		overRow(dst.Pix[dst.PixOffset(r.Min.X, r.Min.Y+y):][:n], src.Pix[src.PixOffset(sp.X, sp.Y+y):][:n])
	}
}

// overBlackInGo draws the rectangle r of src over black: with premultiplied
// colours, the colour does not change.
func overBlackInGo(dst *image.RGBA, r image.Rectangle, src *image.RGBA) {
	n := 4 * r.Dx()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		d := dst.Pix[dst.PixOffset(r.Min.X, y):][:n]
		s := src.Pix[src.PixOffset(r.Min.X, y):][:n]
		for len(s) >= 8 && len(d) >= 8 { // two pixels at a time
			binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(s)|alphas)
			s, d = s[8:], d[8:]
		}
		if len(s) >= 4 && len(d) >= 4 {
			binary.LittleEndian.PutUint32(d, binary.LittleEndian.Uint32(s)|alphas>>32)
		}
	}
}

// alphas are the alpha bits of two pixels.
const alphas = 0xFF000000_FF000000

// overRow draws a row of premultiplied pixels with source-over.
func overRow(d, s []byte) {
	for len(s) >= 8 && len(d) >= 8 { // two pixels at a time
		switch v := binary.LittleEndian.Uint64(s); v & alphas {
		case alphas:
			binary.LittleEndian.PutUint64(d, v)
		case 0:
		default:
			overPixel(d[:4:4], s[:4:4])
			overPixel(d[4:8:8], s[4:8:8])
		}
		s, d = s[8:], d[8:]
	}
	if len(s) >= 4 && len(d) >= 4 {
		overPixel(d[:4:4], s[:4:4])
	}
}

func overPixel(d, s []byte) {
	switch a := uint32(s[3]); a {
	case 0:
	case 255:
		d[0], d[1], d[2], d[3] = s[0], s[1], s[2], 255
	default:
		k := 255 - a
		d[0] = uint8(uint32(s[0]) + div255(uint32(d[0])*k))
		d[1] = uint8(uint32(s[1]) + div255(uint32(d[1])*k))
		d[2] = uint8(uint32(s[2]) + div255(uint32(d[2])*k))
		d[3] = uint8(a + div255(uint32(d[3])*k))
	}
}
