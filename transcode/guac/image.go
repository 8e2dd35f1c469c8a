package guac

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// picture is a decoded image: premultiplied pixels, bounds at 0,0.
type picture struct {
	img    *image.RGBA
	opaque bool
}

// imageSize returns an image's size from its header. It checks it against the
// limits before anything is decoded.
func imageSize(mimetype string, data []byte, lim Limits) (w, h int, err error) {
	f, ok := formats[mimetype]
	if !ok {
		return 0, 0, fmt.Errorf("%w %q", errMimetype, mimetype)
	}
	c, err := f.config(data)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", mimetype, err)
	}
	if c.Width <= 0 || c.Height <= 0 {
		return 0, 0, fmt.Errorf("%s without pixels", mimetype)
	}
	if !lim.Allows(c.Width, c.Height) || c.Width*c.Height*decodingRoom(mimetype, data) > lim.maxRoom() {
		return 0, 0, fmt.Errorf("%s of %d×%d pixels is too large", mimetype, c.Width, c.Height)
	}
	if orientation(mimetype, data) >= 5 {
		return c.Height, c.Width, nil
	}
	return c.Width, c.Height, nil
}

// maxRoom limits the memory that decoding an image takes, in bytes: that of the
// largest image in the encodings that servers use.
func (l Limits) maxRoom() int { return 8 * l.MaxScreen }

// decodingRoom returns how many bytes per pixel decoding an image takes, including
// the image.
func decodingRoom(mimetype string, data []byte) int {
	switch {
	case mimetype == "image/jpeg" && progressive(data): // its coefficients are all kept, four bytes each
		return 16
	case mimetype == "image/png" && pngDepth(data) == 16, mimetype == "image/gif", orientation(mimetype, data) != 1:
		return 12
	case mimetype == "image/webp":
		if _, moves, _ := firstFrame(data); moves {
			return 12
		}
	}
	return 8
}

// progressive reports whether a JPEG is progressive. It returns false for damaged
// data, which the decoder refuses.
func progressive(data []byte) bool {
	for at := 2; at+4 <= len(data) && data[at] == 0xFF; {
		marker := data[at+1]
		switch marker {
		case 0xFF: // a fill byte
			at++
			continue
		case 0xC2:
			return true
		case 0xC0, 0xC1, 0xDA:
			return false
		}
		at += 2 + int(binary.BigEndian.Uint16(data[at+2:]))
	}
	return false
}

// pngDepth returns the size of a PNG's channels in bits, from its header.
func pngDepth(data []byte) int {
	if len(data) < 26 {
		return 0
	}
	return int(data[24])
}

// decodingWork returns the maximum work of decoding an image of w×h pixels.
func decodingWork(mimetype string, data []byte, w, h int) int {
	pixels, read := w*h, len(data)*costByte
	switch mimetype {
	case "image/jpeg": // each scan of a progressive JPEG covers all pixels
		return read + pixels*(costDecode+costOver*bytes.Count(data, []byte{0xFF, 0xDA}))
	case "image/png": // if most of its data is missing, decoding ends early
		return read + pixels*costCopy + min(pixels, len(data)*maxInflate/pngBits(data))*costDecode
	}
	return read + pixels*costDecode
}

// maxInflate is the maximum number of bits that one deflated byte can become.
const maxInflate = 1032 * 8

// pngBits returns the size of a pixel in bits, from the header.
func pngBits(data []byte) int {
	depth := pngDepth(data)
	if depth == 0 {
		return 1
	}
	return depth * max(1, map[byte]int{2: 3, 4: 2, 6: 4}[data[25]])
}

// decodeImage decodes into an image from alloc.
func decodeImage(mimetype string, data []byte, alloc allocator) (picture, error) {
	decode := formats[mimetype].decode
	o := orientation(mimetype, data)
	if o != 1 {
		alloc = newImage
	}
	pic, err := decode(data, alloc)
	if err != nil {
		return picture{}, fmt.Errorf("%s: %w", mimetype, err)
	}
	if o != 1 {
		return turned(pic, o, newImage), nil
	}
	return pic, nil
}

// premultiplied converts the result of Go's decoders.
func premultiplied(img image.Image, alloc allocator) picture {
	b := img.Bounds()
	if p, ok := img.(*image.RGBA); ok && b.Min == (image.Point{}) {
		return picture{p, p.Opaque()}
	}
	out := alloc(b.Size())
	switch src := img.(type) {
	case *image.YCbCr:
		fromYCbCr(out, src)
		return picture{out, true}
	case *image.NRGBA:
		return picture{out, fromNRGBA(out, src)}
	case *image.Paletted:
		return picture{out, fromPaletted(out, src)}
	}
	draw.Draw(out, out.Rect, img, b.Min, draw.Src)
	return picture{out, out.Opaque()}
}

// fromYCbCr converts JPEGs. It interpolates chroma at half resolution, as libjpeg
// and therefore browsers do; image.YCbCr itself would repeat it.
func fromYCbCr(out *image.RGBA, src *image.YCbCr) {
	b := src.Rect
	w, h := b.Dx(), b.Dy()
	halved := src.SubsampleRatio == image.YCbCrSubsampleRatio420 || src.SubsampleRatio == image.YCbCrSubsampleRatio422
	if !halved || b.Min != (image.Point{}) {
		draw.Draw(out, out.Rect, src, b.Min, draw.Src)
		return
	}
	cw := (w + 1) / 2
	row := make([]uint32, 2*w) // interpolated Cb and Cr of one line
	for y := range h {
		near, far := y, y
		if src.SubsampleRatio == image.YCbCrSubsampleRatio420 {
			near = y / 2
			far = max(0, min((h+1)/2-1, near-1+2*(y&1)))
		}
		upsample(row[:w], src.Cb[near*src.CStride:][:cw], src.Cb[far*src.CStride:][:cw])
		upsample(row[w:], src.Cr[near*src.CStride:][:cw], src.Cr[far*src.CStride:][:cw])
		luma := src.Y[y*src.YStride:][:w]
		line := out.Pix[out.PixOffset(0, y):][:4*w]
		for x, l := range luma {
			p := line[4*x:][:4:4]
			p[0], p[1], p[2] = color.YCbCrToRGB(l, uint8(row[x]), uint8(row[w+x]))
			p[3] = 255
		}
	}
}

func fromNRGBA(out *image.RGBA, src *image.NRGBA) (opaque bool) {
	opaque = true
	b := src.Rect
	for y := range b.Dy() {
		s := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:4*b.Dx()]
		d := out.Pix[out.PixOffset(0, y):][:4*b.Dx()]
		copy(d, s)
		for i := 0; i < len(d); i += 4 {
			if a := uint32(s[i+3]); a != 255 {
				opaque = false
				d[i] = uint8(div255(uint32(s[i]) * a))
				d[i+1] = uint8(div255(uint32(s[i+1]) * a))
				d[i+2] = uint8(div255(uint32(s[i+2]) * a))
			}
		}
	}
	return opaque
}

func fromPaletted(out *image.RGBA, src *image.Paletted) (opaque bool) {
	opaque = true
	var table [256][4]byte
	for i, c := range src.Palette {
		n, _ := color.NRGBAModel.Convert(c).(color.NRGBA)
		a := uint32(n.A)
		table[i] = [4]byte{uint8(div255(uint32(n.R) * a)), uint8(div255(uint32(n.G) * a)), uint8(div255(uint32(n.B) * a)), n.A}
		opaque = opaque && a == 255
	}
	b := src.Rect
	for y := range b.Dy() {
		s := src.Pix[src.PixOffset(b.Min.X, b.Min.Y+y):][:b.Dx()]
		d := out.Pix[out.PixOffset(0, y):][:4*b.Dx()]
		for x, index := range s {
			copy(d[4*x:4*x+4], table[index][:])
		}
	}
	return opaque
}
