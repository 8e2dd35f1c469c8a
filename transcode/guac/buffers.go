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
	free [bits.UintSize][][]byte // by the logarithm of their size; guarded by mu
	kept int                     // bytes; guarded by mu
}

// maxKept bounds the memory that waits to be used again, in bytes.
const maxKept = 8 << 20

// image is an image of a size, its pixels arbitrary.
func (b *buffers) image(size image.Point) *image.RGBA {
	n := 4 * size.X * size.Y
	return &image.RGBA{Pix: b.get(n), Stride: 4 * size.X, Rect: image.Rectangle{Max: size}}
}

func (b *buffers) get(n int) []byte {
	class := bits.Len(uint(max(n, 1) - 1))
	if 1<<class > maxKept {
		return make([]byte, n) // such memory is not kept
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.free[class]; len(list) > 0 {
		buf := list[len(list)-1]
		b.free[class] = list[:len(list)-1]
		b.kept -= cap(buf)
		return buf[:n]
	}
	return make([]byte, n, 1<<class)
}

// put takes an image's memory back; the image must not be used any more.
func (b *buffers) put(img *image.RGBA) {
	if img == nil {
		return
	}
	size := cap(img.Pix)
	if size == 0 || size&(size-1) != 0 { // of another origin
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept+size <= maxKept {
		class := bits.Len(uint(size - 1))
		b.free[class] = append(b.free[class], img.Pix[:0])
		b.kept += size
	}
}
