package guac

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/webp"
)

// webpFrame is the first frame of a WebP: its data, its position, and the size of
// the canvas. A still image is its own only frame.
type webpFrame struct {
	data   []byte
	at     image.Point
	canvas image.Point
}

var errWebPFrame = errors.New("damaged animation")

// firstFrame returns the first frame of an animation. moves is false for a still
// image.
func firstFrame(data []byte) (f webpFrame, moves bool, err error) {
	const head, animated = 12, 0x02
	if len(data) < head+8+10 || string(data[head:head+4]) != "VP8X" || data[head+8]&animated == 0 {
		return f, false, nil
	}
	number := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	f.canvas = image.Pt(number(data[head+12:])+1, number(data[head+15:])+1)
	for rest := data[head:]; len(rest) >= 8; {
		size := int(binary.LittleEndian.Uint32(rest[4:]))
		if size > len(rest)-8 {
			break
		}
		kind, body := string(rest[:4]), rest[8:8+size]
		rest = rest[min(8+size+size&1, len(rest)):]
		if kind != "ANMF" {
			continue
		}
		if len(body) < 16+8 {
			break
		}
		f.at = image.Pt(2*number(body), 2*number(body[3:]))
		f.data = still(image.Pt(number(body[6:])+1, number(body[9:])+1), body[16:])
		return f, true, nil
	}
	return f, true, errWebPFrame
}

// still returns a frame's chunks as a separate WebP file.
func still(size image.Point, chunks []byte) []byte {
	b := append(make([]byte, 0, len(chunks)+30), "RIFF....WEBP"...)
	if bytes.HasPrefix(chunks, []byte("ALPH")) { // only the extended format may have this chunk
		const alpha = 0x10
		b = append(b, "VP8X\x0a\x00\x00\x00"...)
		b = append(b, alpha, 0, 0, 0)
		for _, n := range []int{size.X - 1, size.Y - 1} {
			b = append(b, byte(n), byte(n>>8), byte(n>>16))
		}
	}
	b = append(b, chunks...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// webpConfig returns a WebP's size, which for an animation is that of the canvas.
func webpConfig(data []byte) (image.Config, error) {
	f, moves, err := firstFrame(data)
	if err != nil {
		return image.Config{}, err
	}
	if !moves {
		return webp.DecodeConfig(bytes.NewReader(data))
	}
	c, err := webp.DecodeConfig(bytes.NewReader(f.data))
	if err != nil || c.Width > f.canvas.X || c.Height > f.canvas.Y {
		return image.Config{}, errors.Join(errWebPFrame, err)
	}
	return image.Config{Width: f.canvas.X, Height: f.canvas.Y}, nil
}

// decodeWebPFrame decodes the first frame.
func decodeWebPFrame(data []byte, alloc allocator) (picture, error) {
	f, moves, err := firstFrame(data)
	if err != nil {
		return picture{}, err
	}
	if !moves {
		return decodeWebP(data, alloc)
	}
	pic, err := decodeWebP(f.data, newImage)
	if err != nil {
		return picture{}, err
	}
	return onCanvas(pic, f.at, f.canvas, alloc), nil
}
