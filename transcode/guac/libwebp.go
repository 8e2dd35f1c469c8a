//go:build cgo && !purego

package guac

/*
#cgo pkg-config: libwebp
#include <string.h>
#include <webp/decode.h>

// size reads width, height and whether there is alpha; 0 when it is no WebP.
static int webp_size(const uint8_t *data, size_t len, int *w, int *h, int *alpha) {
	WebPBitstreamFeatures f;
	if (WebPGetFeatures(data, len, &f) != VP8_STATUS_OK || f.has_animation) return 0;
	*w = f.width; *h = f.height; *alpha = f.has_alpha;
	return 1;
}

// decode writes premultiplied pixels; 0 when the data is damaged.
static int webp_decode(const uint8_t *data, size_t len, uint8_t *pix, int stride, size_t size) {
	WebPDecoderConfig c;
	if (!WebPInitDecoderConfig(&c)) return 0;
	c.output.colorspace = MODE_rgbA;
	c.output.is_external_memory = 1;
	c.output.u.RGBA.rgba = pix;
	c.output.u.RGBA.stride = stride;
	c.output.u.RGBA.size = size;
	return WebPDecode(data, len, &c) == VP8_STATUS_OK;
}
*/
import "C"

import (
	"errors"
	"image"
	"unsafe"
)

// WebPDecoder is the name of this build's decoder for WebP.
const WebPDecoder = "libwebp"

var errWebP = errors.New("damaged image")

// decodeWebP decodes with libwebp, which takes half as long as the available
// decoder in Go. Builds with the tag purego, or without cgo, do not have it.
func decodeWebP(data []byte, alloc allocator) (picture, error) {
	if len(data) == 0 {
		return picture{}, errWebP
	}
	in := (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(data)))
	var w, h, alpha C.int
	if C.webp_size(in, C.size_t(len(data)), &w, &h, &alpha) == 0 {
		return picture{}, errWebP
	}
	img := alloc(image.Pt(int(w), int(h)))
	out := (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(img.Pix)))
	if C.webp_decode(in, C.size_t(len(data)), out, C.int(img.Stride), C.size_t(len(img.Pix))) == 0 {
		return picture{}, errWebP
	}
	return picture{img, alpha == 0 || img.Opaque()}, nil
}
