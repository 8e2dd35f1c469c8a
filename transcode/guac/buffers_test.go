package guac

import (
	"image"
	"testing"
)

// TestBuffersAreUsedAgain for images of similar size, within the limit of kept
// memory.
func TestBuffersAreUsedAgain(t *testing.T) {
	var b buffers
	first := b.image(image.Pt(100, 100))
	b.put(first)
	if second := b.image(image.Pt(99, 99)); &second.Pix[0] != &first.Pix[0] || len(second.Pix) != 4*99*99 {
		t.Error("an image a little smaller got other memory")
	}
	for range 100 {
		b.put(b.image(image.Pt(50, 50)))
		b.put(&image.RGBA{Pix: make([]byte, 100_001)}) // not from this pool
	}
	large := b.image(image.Pt(1920, 1080))
	b.put(large)
	if b.kept > maxKept {
		t.Errorf("%d bytes are kept", b.kept)
	}
	if again := b.image(image.Pt(1920, 1080)); &again.Pix[0] == &large.Pix[0] {
		t.Error("a large image was kept")
	}
	var images []*image.RGBA
	for range 100 {
		images = append(images, b.image(image.Pt(200, 200)))
	}
	for _, img := range images {
		b.put(img)
	}
	if b.kept > maxKept {
		t.Errorf("%d bytes are kept", b.kept)
	}
}

// TestRoundedSizes: at most a quarter is wasted, and rounding twice changes
// nothing, which identifies memory of the pool.
func TestRoundedSizes(t *testing.T) {
	for n := 1; n < 2*maxKept; n += 1 + n/13 {
		r := rounded(n)
		if r < n || 4*r > 5*n+16 || rounded(r) != r {
			t.Errorf("%d is rounded to %d, that to %d", n, r, rounded(r))
		}
	}
}
