package guac

import (
	"bytes"
	"image"

	"golang.org/x/image/webp"
)

// decodeWebPInGo decodes without libwebp. The decoder returns YCbCr for lossy
// images, with or without alpha, and NRGBA for lossless ones.
func decodeWebPInGo(data []byte, alloc allocator) (picture, error) {
	img, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, err
	}
	switch src := img.(type) {
	case *image.YCbCr:
		out := alloc(src.Rect.Size())
		fromWebP(out, src, nil, 0)
		return picture{out, true}, nil
	case *image.NYCbCrA:
		out := alloc(src.Rect.Size())
		return picture{out, fromWebP(out, &src.YCbCr, src.A, src.AStride)}, nil
	}
	return premultiplied(img, alloc), nil
}

// fromWebP converts the lossy WebP images that servers send. VP8 stores colours in
// BT.601 with limited range, whereas image.YCbCr means JPEG's full range. Like
// browsers, it interpolates chroma at half resolution (weights 9, 3, 3, 1). alpha,
// if not nil, has one byte per pixel.
func fromWebP(out *image.RGBA, src *image.YCbCr, alpha []byte, alphaStride int) (opaque bool) {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	cw := (w + 1) / 2
	ch := (h + 1) / 2
	row := make([]uint32, 2*w) // interpolated Cb and Cr of one line
	opaque = true
	for y := range h {
		// The nearer line of chroma has three times the weight of the farther one.
		near := y / 2
		far := near - 1 + 2*(y&1)
		far = max(0, min(ch-1, far))
		upsample(row[:w], src.Cb[near*src.CStride:][:cw], src.Cb[far*src.CStride:][:cw])
		upsample(row[w:], src.Cr[near*src.CStride:][:cw], src.Cr[far*src.CStride:][:cw])
		luma := src.Y[y*src.YStride:][:w]
		line := out.Pix[out.PixOffset(0, y):][:4*w]
		for x, l := range luma {
			p := line[4*x:][:4:4]
			yy, u, v := int32(l)*19077>>8, int32(row[x]), int32(row[w+x])
			p[0] = clip6(yy + v*26149>>8 - 14234)
			p[1] = clip6(yy - u*6419>>8 - v*13320>>8 + 8708)
			p[2] = clip6(yy + u*33050>>8 - 17685)
			p[3] = 255
		}
		if alpha != nil && fade(line, alpha[y*alphaStride:][:w]) {
			opaque = false
		}
	}
	return opaque
}

// upsample doubles a line of chroma and mixes it with a neighbouring line.
func upsample(to []uint32, near, far []byte) {
	last := len(near) - 1
	mix := func(i, j int) uint32 {
		return (9*uint32(near[i]) + 3*uint32(near[j]) + 3*uint32(far[i]) + uint32(far[j]) + 8) >> 4
	}
	for x := range to {
		i := x / 2
		j := max(0, min(last, i-1+2*(x&1)))
		to[x] = mix(i, j)
	}
}

// clip6 drops six fractional bits and clamps to a byte.
func clip6(v int32) uint8 {
	return uint8(max(0, min(255, v>>6)))
}

// fade multiplies a line with its alpha and reports whether any alpha is below 255.
func fade(line, alpha []byte) (faded bool) {
	for x, a := range alpha {
		if a == 255 {
			continue
		}
		faded = true
		p := line[4*x:][:4:4]
		for i := range 3 {
			p[i] = uint8(div255(uint32(p[i]) * uint32(a)))
		}
		p[3] = a
	}
	return faded
}
