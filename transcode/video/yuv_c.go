//go:build cgo && !purego

package video

/*
#cgo CFLAGS: -O3
#include <stdint.h>

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
