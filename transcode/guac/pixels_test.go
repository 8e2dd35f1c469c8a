package guac

import (
	"bytes"
	"image"
	"math/rand/v2"
	"testing"
)

// TestPixelLoopsAgree compares the loops of builds with and without cgo, on rows
// with all kinds of transparency.
func TestPixelLoopsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(kind int) *image.RGBA {
		img := image.NewRGBA(image.Rect(0, 0, 90, 20))
		for i := 0; i < len(img.Pix); i += 4 {
			a := []int{255, 0, r.IntN(256)}[(kind+r.IntN(1+kind))%3]
			for c := range 3 {
				img.Pix[i+c] = uint8(r.IntN(a + 1))
			}
			img.Pix[i+3] = uint8(a)
		}
		return img
	}
	for n := range 300 {
		src, dst := random(n%4), random(2)
		w, h := 1+r.IntN(80), 1+r.IntN(18)
		to := image.Rect(0, 0, w, h).Add(image.Pt(r.IntN(91-w), r.IntN(21-h)))
		from := image.Pt(r.IntN(91-w), r.IntN(21-h))
		plain := &image.RGBA{Pix: bytes.Clone(dst.Pix), Stride: dst.Stride, Rect: dst.Rect}
		overRect(dst, to, src, from)
		overRectInGo(plain, to, src, from)
		if !bytes.Equal(dst.Pix, plain.Pix) {
			t.Fatalf("over %v from %v differs", to, from)
		}
		overBlack(dst, to, src)
		overBlackInGo(plain, to, src)
		if !bytes.Equal(dst.Pix, plain.Pix) {
			t.Fatalf("over black %v differs", to)
		}
	}
}
