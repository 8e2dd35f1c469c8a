package video

import (
	"image"
	"image/jpeg"
	"os"

	"golang.org/x/image/draw"
)

// posterWidth is that of the picture that stands for a video in lists, pixels.
const posterWidth = 480

// poster keeps the frame with the most to see among those it is shown.
type poster struct {
	best   *planes
	detail int
}

func (p *poster) see(frame *planes) {
	detail := frame.detail()
	if p.best != nil && detail <= p.detail {
		return
	}
	if p.best == nil {
		p.best = newPlanes(frame.width, frame.height)
	}
	copy(p.best.pix, frame.pix)
	p.detail = detail
}

// detail is how many edges there are in every fourth line.
func (p *planes) detail() int {
	n := 0
	for y := 0; y < p.height; y += 4 {
		row := p.pix[y*p.width:][:p.width]
		for x := 4; x < len(row); x += 4 {
			if d := int(row[x]) - int(row[x-4]); d > 24 || d < -24 {
				n++
			}
		}
	}
	return n
}

// write makes a JPEG of the frame that was kept.
func (p *poster) write(path string) error {
	from := p.best
	full := image.NewYCbCr(image.Rect(0, 0, from.width, from.height), image.YCbCrSubsampleRatio420)
	// JPEG's colours use the full range of values, video's do not.
	for i, v := range from.luma() {
		full.Y[i] = stretch(v, 16, 219)
	}
	chroma := from.pix[from.width*from.height:]
	for i := range full.Cb {
		full.Cb[i] = stretch(chroma[i], 128, 224)
		full.Cr[i] = stretch(chroma[len(full.Cb)+i], 128, 224)
	}
	width := min(posterWidth, from.width)
	small := image.NewRGBA(image.Rect(0, 0, width, max(from.height*width/from.width, 1)))
	draw.ApproxBiLinear.Scale(small, small.Rect, full, full.Rect, draw.Src, nil)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := jpeg.Encode(f, small, &jpeg.Options{Quality: 75}); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// stretch maps the limited range of values around zero to the full one.
func stretch(v uint8, zero, span int) uint8 {
	base := 0
	if zero == 128 {
		base = 128
	}
	return uint8(min(max(base+(int(v)-zero)*255/span, 0), 255))
}
