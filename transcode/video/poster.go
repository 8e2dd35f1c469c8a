package video

import (
	"image"
	"image/jpeg"
	"os"

	"golang.org/x/image/draw"
)

// posterWidth is that of the picture that stands for a video in lists, pixels.
const posterWidth = 480

// poster keeps the frame with the most to see, small.
type poster struct {
	best   *image.RGBA
	detail int
}

// see looks at a frame of which a part has changed.
func (p *poster) consider(img *image.RGBA, frame *planes, damage []image.Rectangle) {
	changed := 0
	for _, r := range damage {
		changed += r.Dx() * r.Dy()
	}
	if p.best != nil && changed < frame.width*frame.height/64 {
		return
	}
	detail := frame.detail()
	if p.best != nil && detail <= p.detail+p.detail/8 {
		return
	}
	if p.best == nil {
		width := min(posterWidth, frame.width)
		p.best = image.NewRGBA(image.Rect(0, 0, width, max(frame.height*width/frame.width, 1)))
	}
	draw.ApproxBiLinear.Scale(p.best, p.best.Rect, img, img.Rect, draw.Src, nil)
	p.detail = detail
}

// detail is how many edges there are in every sixteenth line.
func (p *planes) detail() int {
	n := 0
	for y := 0; y < p.height; y += 16 {
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
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := jpeg.Encode(f, p.best, &jpeg.Options{Quality: 40}); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
