package video

import (
	"bytes"
	"image"
	"image/color"
	"math"
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

// TestUpdateCopiesAndMeasures compares update with its variant in Go, for macroblocks
// inside the picture and at its edges.
func TestUpdateCopiesAndMeasures(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for _, size := range []image.Point{{64, 48}, {20, 18}, {34, 30}, {2, 2}} {
		from, inC, inGo := newPlanes(size.X, size.Y), newPlanes(size.X, size.Y), newPlanes(size.X, size.Y)
		for i := range from.pix {
			from.pix[i] = uint8(r.IntN(256))
		}
		for mb := range (size.X + 15) / 16 * ((size.Y + 15) / 16) {
			have, want := inC.update(from, mb), inGo.updateGo(from, mb)
			if math.Abs(have-want) > 1e-6*want || want == 0 && size.X > 2 {
				t.Errorf("%v, macroblock %d: variance %g, in Go %g", size, mb, have, want)
			}
			if !bytes.Equal(inC.pix, inGo.pix) || !inC.sameMacroblock(from, mb) {
				t.Fatalf("%v, macroblock %d: not copied", size, mb)
			}
		}
		if !bytes.Equal(inC.pix, from.pix) {
			t.Errorf("%v: not all was copied", size)
		}
	}
	flat, to := newPlanes(20, 18), newPlanes(20, 18)
	flat.pix[17*20+19] = 16 // in macroblock 3, of which 4×2 pixels are inside
	if v, want := to.update(flat, 3), 256.0*(16*16/8.0-2*2); v != want {
		t.Errorf("variance %g, want %g", v, want)
	}
	if v := to.update(flat, 0); v != 0 {
		t.Errorf("variance %g of a plain macroblock", v)
	}
}

func BenchmarkUpdate1080p(b *testing.B) {
	from, to := newPlanes(1920, 1080), newPlanes(1920, 1080)
	b.SetBytes(int64(len(from.pix)))
	for b.Loop() {
		for mb := range 120 * 68 {
			to.update(from, mb)
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
