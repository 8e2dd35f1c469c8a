package guac

import "image"

// transferPixel applies a transfer function to a pixel: a bitwise operation on the
// colours. It works on straight, not premultiplied, colours, like a canvas's
// ImageData.
func transferPixel(d, s []byte, function int) {
	if function == 0x3 { // the source, including its alpha
		copy(d[:4], s[:4])
		return
	}
	if function == 0x5 {
		return
	}
	var dc, sc [3]byte
	straight(&dc, d)
	straight(&sc, s)
	for i := range 3 {
		dc[i] = transferByte(sc[i], dc[i], function)
	}
	alpha := d[3]
	if function == 0xC {
		alpha = s[3]
	}
	d[3] = alpha
	for i := range 3 {
		d[i] = uint8(div255(uint32(dc[i]) * uint32(alpha)))
	}
}

func transferByte(s, d byte, function int) byte {
	switch function {
	case 0x0:
		return 0x00
	case 0xF:
		return 0xFF
	case 0xC:
		return ^s
	case 0xA:
		return ^d
	case 0x1:
		return s & d
	case 0xE:
		return ^(s & d)
	case 0x7:
		return s | d
	case 0x8:
		return ^(s | d)
	case 0x6:
		return s ^ d
	case 0x9:
		return ^(s ^ d)
	case 0x4:
		return ^s & d
	case 0xD:
		return ^s | d
	case 0x2:
		return s &^ d
	case 0xB:
		return s | ^d
	default:
		return d
	}
}

// straight reverts the multiplication of a pixel's colours with its alpha. It
// computes exactly as browsers do, because a bitwise function turns a rounding
// difference into a very different colour.
func straight(c *[3]byte, p []byte) {
	switch p[3] {
	case 255:
		c[0], c[1], c[2] = p[0], p[1], p[2]
	case 0:
		*c = [3]byte{}
	default:
		const unit = float32(1) / 255
		scale := 1 / (float32(p[3]) * unit)
		for i := range 3 {
			c[i] = uint8(min(1, float32(p[i])*unit*scale)*255 + 0.5)
		}
	}
}

// transferRect applies a function to each pixel of r.
func transferRect(dst *image.RGBA, r image.Rectangle, src *image.RGBA, sp image.Point, function int) {
	for y := range r.Dy() {
		d := dst.Pix[dst.PixOffset(r.Min.X, r.Min.Y+y):][:4*r.Dx()]
		s := src.Pix[src.PixOffset(sp.X, sp.Y+y):][:4*r.Dx()]
		for i := 0; i < len(d); i += 4 {
			transferPixel(d[i:i+4:i+4], s[i:i+4:i+4], function)
		}
	}
}
