package guac

import (
	"image"
	"math/bits"
	"sync"
)

// buffers keeps the memory of images that have been drawn for the next ones:
// a recording has tens of thousands of images, and fresh memory costs more
// than what is written to it. The zero value is ready.
type buffers struct {
	mu   sync.Mutex
	free map[int][][]byte // by their size; guarded by mu
	kept int              // bytes; guarded by mu
}

// maxKept bounds the memory that waits to be used again, in bytes: that of one
// Full HD screen.
const maxKept = 8 << 20

// image is an image of a size, its pixels arbitrary.
func (b *buffers) image(size image.Point) *image.RGBA {
	n := 4 * size.X * size.Y
	return &image.RGBA{Pix: b.get(n), Stride: 4 * size.X, Rect: image.Rectangle{Max: size}}
}

// rounded is how much memory an image of n bytes gets: n, in steps of an eighth
// to a quarter of it, so that images of about the same size can take each
// other's.
func rounded(n int) int {
	if n > maxKept {
		return n // such memory is not kept
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

// put takes an image's memory back; the image must not be used any more.
func (b *buffers) put(img *image.RGBA) {
	if img == nil {
		return
	}
	size := cap(img.Pix)
	if size == 0 || size > maxKept || size != rounded(size) { // of another origin
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
