package video

import (
	"bytes"
	"image"

	"github.com/jumpserver-video/jumpserver-video/transcode/video/h264"
)

// planes is a picture in the format of H.264: I420, BT.709, limited range.
type planes struct {
	width, height int // even
	pix           []byte
}

func newPlanes(width, height int) *planes {
	return &planes{width, height, make([]byte, width*height*3/2)}
}

// picture returns p as a picture of package h264.
func (p *planes) picture() h264.Picture {
	return h264.Picture{Width: p.width, Height: p.height, Pix: p.pix}
}

// eachRow calls do with the offset and length of each row of samples of a macroblock
// in the three planes, until do returns false. mb is the address of the macroblock in
// raster order.
func (p *planes) eachRow(mb int, do func(at, n int) bool) {
	columns := (p.width + 15) / 16
	x, y := mb%columns*16, mb/columns*16
	n, rows := min(16, p.width-x), min(16, p.height-y)
	for j := range rows {
		if !do((y+j)*p.width+x, n) {
			return
		}
	}
	plane := p.width * p.height / 4
	for c := range 2 {
		for j := range rows / 2 {
			if !do((4+c)*plane+(y/2+j)*(p.width/2)+x/2, n/2) {
				return
			}
		}
	}
}

// sameMacroblock reports whether a macroblock is the same in both pictures.
func (p *planes) sameMacroblock(other *planes, mb int) bool {
	same := true
	p.eachRow(mb, func(at, n int) bool {
		same = bytes.Equal(p.pix[at:at+n], other.pix[at:at+n])
		return same
	})
	return same
}

// maxError returns the maximum difference of a macroblock's samples, of 255.
func (p *planes) maxError(other *planes, mb int) int {
	worst := 0
	p.eachRow(mb, func(at, n int) bool {
		a, b := p.pix[at:at+n], other.pix[at:at+n]
		for i := range a {
			worst = max(worst, int(a[i])-int(b[i]), int(b[i])-int(a[i]))
		}
		return true
	})
	return worst
}

func (p *planes) luma() []byte { return p.pix[:p.width*p.height] }

// BT.709 coefficients for limited range, with 16 fractional bits.
const (
	yR, yG, yB = 11966, 40254, 4064
	uR, uG, uB = -6596, -22189, 28784
	vR, vG, vB = 28784, -26145, -2639
	half       = 1 << 15
)

// convert updates the rectangle r from img. Chroma is that of the mean colour of 2×2
// pixels.
func (p *planes) convert(img *image.RGBA, r image.Rectangle) {
	r.Min.X &^= 1
	r.Min.Y &^= 1
	r.Max.X = (r.Max.X + 1) &^ 1
	r.Max.Y = (r.Max.Y + 1) &^ 1
	r = r.Intersect(image.Rect(0, 0, p.width, p.height))
	if r.Empty() {
		return
	}
	p.convertRect(img, r)
}

// Luma fills dst, which has width×height bytes, with the luma of img as it is
// encoded. Width and height of img must be even.
func Luma(dst []byte, img *image.RGBA) {
	size := img.Rect.Size()
	p := newPlanes(size.X, size.Y)
	p.convert(img, img.Rect)
	copy(dst, p.luma())
}
