package video

import (
	"bytes"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"
)

func TestPartialConversionEqualsFull(t *testing.T) {
	const w, h = 64, 48
	r := rand.New(rand.NewPCG(3, 4))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	partial := newPlanes(w, h)
	partial.convert(img, img.Rect)
	for range 200 {
		x, y := r.IntN(w), r.IntN(h)
		box := image.Rect(x, y, x+1+r.IntN(w-x), y+1+r.IntN(h-y))
		for py := box.Min.Y; py < box.Max.Y; py++ {
			for px := box.Min.X; px < box.Max.X; px++ {
				img.SetRGBA(px, py, color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255})
			}
		}
		partial.convert(img, box)
		full := newPlanes(w, h)
		full.convert(img, img.Rect)
		if !bytes.Equal(partial.pix, full.pix) {
			t.Fatalf("the pictures differ after %v", box)
		}
	}
}

func TestConversionOfKnownColours(t *testing.T) {
	for _, tc := range []struct {
		c       color.RGBA
		y, u, v byte
	}{
		{color.RGBA{0, 0, 0, 255}, 16, 128, 128},
		{color.RGBA{255, 255, 255, 255}, 235, 128, 128},
		{color.RGBA{255, 0, 0, 255}, 63, 102, 240},
		{color.RGBA{0, 255, 0, 255}, 173, 42, 26},
		{color.RGBA{0, 0, 255, 255}, 32, 240, 118},
	} {
		img := image.NewRGBA(image.Rect(0, 0, 2, 2))
		for i := range 4 {
			img.SetRGBA(i%2, i/2, tc.c)
		}
		p := newPlanes(2, 2)
		p.convert(img, img.Rect)
		if got, want := p.pix, []byte{tc.y, tc.y, tc.y, tc.y, tc.u, tc.v}; !bytes.Equal(got, want) {
			t.Errorf("%v: %v, want %v", tc.c, got, want)
		}
	}
}

func BenchmarkConvert1080p(b *testing.B) {
	img := image.NewRGBA(image.Rect(0, 0, 1920, 1080))
	p := newPlanes(1920, 1080)
	b.SetBytes(int64(len(img.Pix)))
	for b.Loop() {
		p.convert(img, img.Rect)
	}
}

func TestConversionsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	img := image.NewRGBA(image.Rect(0, 0, 130, 70))
	for i := range img.Pix {
		img.Pix[i] = uint8(r.IntN(256))
	}
	for range 50 {
		x, y := 2*r.IntN(64), 2*r.IntN(34)
		box := image.Rect(x, y, x+2+2*r.IntN((130-x)/2), y+2+2*r.IntN((70-y)/2))
		ours, plain := newPlanes(130, 70), newPlanes(130, 70)
		ours.convertRect(img, box)
		plain.convertRectGo(img, box)
		if !bytes.Equal(ours.pix, plain.pix) {
			t.Fatalf("rectangle %v differs", box)
		}
	}
}
