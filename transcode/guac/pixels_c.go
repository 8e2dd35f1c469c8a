//go:build cgo && !purego

package guac

/*
#cgo CFLAGS: -O3
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

// opaque reports whether all of n pixels are opaque.
CLONES static int opaque(const uint32_t *p, int n) {
	uint32_t all = 0xFF000000;
	for (int i = 0; i < n; i++) all &= p[i];
	return all == 0xFF000000;
}

CLONES static void black_row(uint32_t *restrict d, const uint32_t *restrict s, int n) {
	for (int i = 0; i < n; i++) d[i] = s[i] | 0xFF000000;
}

static void black_rect(uint8_t *d, int dstride, const uint8_t *s, int sstride, int w, int h) {
	for (; h > 0; h--, d += dstride, s += sstride) black_row((uint32_t *)d, (const uint32_t *)s, w);
}

static inline uint8_t over(uint8_t s, uint8_t d, uint32_t k) {
	uint32_t x = d * k + 128;
	return s + ((x + (x >> 8)) >> 8);
}

static void over_rect(uint8_t *d, int dstride, const uint8_t *s, int sstride, int w, int h) {
	for (; h > 0; h--, d += dstride, s += sstride) {
		for (int x = 0; x < w; x += 32) {
			int n = w - x < 32 ? w - x : 32;
			if (opaque((const uint32_t *)s + x, n)) {
				memcpy(d + 4*x, s + 4*x, 4*n);
				continue;
			}
			for (int i = 4*x; i < 4*(x+n); i += 4) {
				uint32_t k = 255 - s[i+3];
				if (k == 255) continue;
				for (int c = 0; c < 4; c++) d[i+c] = over(s[i+c], d[i+c], k);
			}
		}
	}
}
*/
import "C"

import (
	"image"
	"unsafe"
)

// overRect draws the area of src at sp over the rectangle r of dst with
// source-over.
func overRect(dst *image.RGBA, r image.Rectangle, src *image.RGBA, sp image.Point) {
	if !r.Empty() {
		C.over_rect(pixel(dst, r.Min), C.int(dst.Stride), pixel(src, sp), C.int(src.Stride), C.int(r.Dx()), C.int(r.Dy()))
	}
}

// overBlack draws the rectangle r of src over black: with premultiplied colours,
// the colour does not change.
func overBlack(dst *image.RGBA, r image.Rectangle, src *image.RGBA) {
	if !r.Empty() {
		C.black_rect(pixel(dst, r.Min), C.int(dst.Stride), pixel(src, r.Min), C.int(src.Stride), C.int(r.Dx()), C.int(r.Dy()))
	}
}

func pixel(img *image.RGBA, p image.Point) *C.uint8_t {
	return (*C.uint8_t)(unsafe.Pointer(&img.Pix[img.PixOffset(p.X, p.Y)]))
}
