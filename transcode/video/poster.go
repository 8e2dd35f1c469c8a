package video

import (
	"image"
	"image/jpeg"
	"os"

	"golang.org/x/image/draw"
)

// posterWidth is the width of a video's poster, in pixels.
const posterWidth = 480

// poster keeps a small copy of the frame with the most detail.
type poster struct {
	best   *image.RGBA
	detail int
}

// consider compares a frame, of which damage has changed, with the one kept.
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

// detail counts the edges in every sixteenth row.
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

// write writes the kept frame as a JPEG.
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
