//go:build cgo && !purego

package video

/*
#cgo CFLAGS: -O3
#include <stdint.h>
#include <string.h>

// Compilers vectorize these loops. On amd64 the version for the processor is
// selected when the program starts.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

#define R(p) ((int32_t)((p) & 255))
#define G(p) ((int32_t)((p) >> 8 & 255))
#define B(p) ((int32_t)((p) >> 16 & 255))

CLONES static void luma(const uint32_t *restrict from, uint8_t *restrict to, int n) {
	for (int x = 0; x < n; x++) {
		uint32_t p = from[x];
		to[x] = ((11966 * R(p) + 40254 * G(p) + 4064 * B(p) + 32768) >> 16) + 16;
	}
}

CLONES static void chroma(const uint32_t *restrict top, const uint32_t *restrict bottom, uint8_t *restrict u, uint8_t *restrict v, int n) {
	for (int x = 0; x < n; x++) {
		uint32_t p0 = top[2*x], p1 = top[2*x+1], p2 = bottom[2*x], p3 = bottom[2*x+1];
		int32_t r = R(p0) + R(p1) + R(p2) + R(p3);
		int32_t g = G(p0) + G(p1) + G(p2) + G(p3);
		int32_t b = B(p0) + B(p1) + B(p2) + B(p3);
		u[x] = ((-6596 * r - 22189 * g + 28784 * b + 131072) >> 18) + 128;
		v[x] = ((28784 * r - 26145 * g - 2639 * b + 131072) >> 18) + 128;
	}
}

// convert_rect converts the rectangle of w by h pixels, both even, at x and y.
static void convert_rect(const uint8_t *rgba, int stride, uint8_t *restrict yuv, int width, int height, int x, int y, int w, int h) {
	uint8_t *u = yuv + width * height, *v = u + width * height / 4;
	for (int j = y; j < y + h; j += 2) {
		const uint32_t *top = (const uint32_t *)(rgba + (long)j * stride) + x, *bottom = (const uint32_t *)(rgba + (long)(j + 1) * stride) + x;
		luma(top, yuv + j * width + x, w);
		luma(bottom, yuv + (j + 1) * width + x, w);
		chroma(top, bottom, u + j / 2 * (width / 2) + x / 2, v + j / 2 * (width / 2) + x / 2, w / 2);
	}
}

// update_block copies w by h samples, at most 256, and returns their variance. Where w
// and h are constants, compilers use vector instructions for the sums.
static inline __attribute__((always_inline)) double update_block(uint8_t *restrict to, const uint8_t *restrict from, int stride, int w, int h) {
	int16_t block[256];
	for (int j = 0; j < h; j++) {
		memcpy(to + (long)j * stride, from + (long)j * stride, w);
		for (int i = 0; i < w; i++) block[j * w + i] = from[(long)j * stride + i];
	}
	int32_t sum = 0, squares = 0, n = w * h;
	for (int i = 0; i < n; i++) squares += block[i] * block[i];
	for (int i = 0; i < n; i++) sum += block[i];
	return (squares - (double)sum * sum / n) / n;
}

// update_macroblock updates the macroblock at x and y of a picture from another one.
static double update_macroblock(uint8_t *to, const uint8_t *from, int width, int height, int x, int y) {
	int w = width - x < 16 ? width - x : 16, h = height - y < 16 ? height - y : 16;
	int plane = width * height / 4, half = width / 2;
	int luma = y * width + x, u = 4 * plane + y / 2 * half + x / 2, v = u + plane;
	if (w < 16 || h < 16)
		return 256 * update_block(to + luma, from + luma, width, w, h) +
			64 * (update_block(to + u, from + u, half, w / 2, h / 2) + update_block(to + v, from + v, half, w / 2, h / 2));
	return 256 * update_block(to + luma, from + luma, width, 16, 16) +
		64 * (update_block(to + u, from + u, half, 8, 8) + update_block(to + v, from + v, half, 8, 8));
}
*/
import "C"

import (
	"image"
	"unsafe"
)

// convertRect converts r, which has even coordinates and is inside both pictures.
// Pixels are read as little-endian words.
func (p *planes) convertRect(img *image.RGBA, r image.Rectangle) {
	C.convert_rect((*C.uint8_t)(unsafe.Pointer(&img.Pix[0])), C.int(img.Stride), (*C.uint8_t)(unsafe.Pointer(&p.pix[0])),
		C.int(p.width), C.int(p.height), C.int(r.Min.X), C.int(r.Min.Y), C.int(r.Dx()), C.int(r.Dy()))
}

// update copies a macroblock from another picture and returns its variance: the sum of
// the squared differences from the mean, over all three planes. At the edges of the
// picture, it is that of a whole macroblock with the same mean variance.
func (p *planes) update(frame *planes, mb int) float64 {
	columns := (p.width + 15) / 16
	return float64(C.update_macroblock((*C.uint8_t)(unsafe.Pointer(&p.pix[0])), (*C.uint8_t)(unsafe.Pointer(&frame.pix[0])),
		C.int(p.width), C.int(p.height), C.int(mb%columns*16), C.int(mb/columns*16)))
}
