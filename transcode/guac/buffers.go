package guac

import (
	"image"
	"math/bits"
	"sync"
)

// buffers reuses the memory of images that have been drawn: a recording has tens of
// thousands of images, and allocating memory costs more than filling it. The zero
// value is ready to use.
type buffers struct {
	mu   sync.Mutex
	free map[int][][]byte // by their size; guarded by mu
	kept int              // bytes; guarded by mu
}

// maxKept limits the memory that waits for reuse, in bytes: that of one Full HD
// screen.
const maxKept = 8 << 20

// image returns an image of a size, with arbitrary pixels.
func (b *buffers) image(size image.Point) *image.RGBA {
	n := 4 * size.X * size.Y
	return &image.RGBA{Pix: b.get(n), Stride: 4 * size.X, Rect: image.Rectangle{Max: size}}
}

// rounded returns how much memory an image of n bytes gets. It is n, rounded up in
// steps of an eighth to a quarter of n, so that images of similar size can reuse
// each other's memory.
func rounded(n int) int {
	if n > maxKept {
		return n // memory of this size is not kept
	}
	step := 1 << max(bits.Len(uint(max(n, 1)-1))-3, 0)
	return (n + step - 1) / step * step
}

func (b *buffers) get(n int) []byte {
	size := rounded(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.free[size]; len(list) > 0 {
		buf := list[len(list)-1]
		b.free[size] = list[:len(list)-1]
		b.kept -= size
		return buf[:n]
	}
	return make([]byte, n, size)
}

// put returns an image's memory to the pool; the image must not be used any more.
func (b *buffers) put(img *image.RGBA) {
	if img == nil {
		return
	}
	size := cap(img.Pix)
	if size == 0 || size > maxKept || size != rounded(size) { // not from this pool
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept+size <= maxKept {
		if b.free == nil {
			b.free = map[int][][]byte{}
		}
		b.free[size] = append(b.free[size], img.Pix[:0])
		b.kept += size
	}
}
