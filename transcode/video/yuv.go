package video

import (
	"bytes"
	"image"

	"github.com/jumpserver-video/jumpserver-video/transcode/video/h264"
)

// planes is a picture as H.264 takes it: I420, BT.709, limited range.
type planes struct {
	width, height int // even
	pix           []byte
}

func newPlanes(width, height int) *planes {
	return &planes{width, height, make([]byte, width*height*3/2)}
}

// picture is p as package h264 takes it.
func (p *planes) picture() h264.Picture {
	return h264.Picture{Width: p.width, Height: p.height, Pix: p.pix}
}

// eachRow calls do with the offset and length of each row of samples that a
// macroblock, numbered line by line, has in the three planes, until do
// answers false.
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

// sameBlock tells whether a macroblock is the same in both pictures.
func (p *planes) sameMacroblock(other *planes, mb int) bool {
	same := true
	p.eachRow(mb, func(at, n int) bool {
		same = bytes.Equal(p.pix[at:at+n], other.pix[at:at+n])
		return same
	})
	return same
}

// copyBlock takes a macroblock from another picture.
func (p *planes) copyMacroblock(other *planes, mb int) {
	p.eachRow(mb, func(at, n int) bool {
		copy(p.pix[at:at+n], other.pix[at:])
		return true
	})
}

// blockError returns by how much a macroblock differs at most, of 255.
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

// BT.709 with limited range, in 16 fractional bits.
const (
	yR, yG, yB = 11966, 40254, 4064
	uR, uG, uB = -6596, -22189, 28784
	vR, vG, vB = 28784, -26145, -2639
	half       = 1 << 15
)

// convert brings the rectangle r up to date with img. The chroma of a pixel
// pair of pairs is that of their mean colour.
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

// Luma fills dst, width×height bytes, with img's brightness as it is encoded.
// The image has an even width and height.
func Luma(dst []byte, img *image.RGBA) {
	size := img.Rect.Size()
	p := newPlanes(size.X, size.Y)
	p.convert(img, img.Rect)
	copy(dst, p.luma())
}
