package guac

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"sync"
)

// decodePNG decodes the kinds of PNG that servers send (colours or a palette, not
// interlaced) with the fast decoder of this build. image/png decodes or refuses all
// others, and damaged ones.
func decodePNG(data []byte, alloc allocator) (picture, error) {
	if pic, ok := decodePNGFast(data, alloc); ok {
		return pic, nil
	}
	return decodePNGInGo(data, alloc)
}

func decodePNGInGo(data []byte, alloc allocator) (picture, error) {
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, err
	}
	return premultiplied(img, alloc), nil
}

// pngFile is what is needed to decode a PNG of a common kind.
type pngFile struct {
	width, height int
	channels      int        // 1: indices into the palette
	depth         int        // bits of a channel
	palette       [1024]byte // premultiplied
	colours       int        // in the palette
	transparent   bool       // the palette has colours with transparency
	compressed    []byte     // zlib
}

// row returns the size of a row, without the byte for its filter.
func (p *pngFile) row() int { return (p.width*p.channels*p.depth + 7) / 8 }

// readPNG parses a PNG. It returns false for anything but an intact file of a
// common kind. It appends the compressed data to buf.
func readPNG(data, buf []byte) (p pngFile, ok bool) {
	const signature = "\x89PNG\r\n\x1a\n"
	if !bytes.HasPrefix(data, []byte(signature)) {
		return p, false
	}
	p.compressed = buf
	data = data[len(signature):]
	for len(data) >= 12 {
		n := int(binary.BigEndian.Uint32(data))
		if n > len(data)-12 || crc32.ChecksumIEEE(data[4:8+n]) != binary.BigEndian.Uint32(data[8+n:]) {
			return p, false
		}
		kind, body := string(data[4:8]), data[8:8+n]
		data = data[12+n:]
		switch {
		case kind == "IHDR" && p.width == 0:
			if !p.header(body) {
				return p, false
			}
		case kind == "PLTE" && p.channels == 1 && p.colours == 0 && len(p.compressed) == 0:
			if !p.plain(body) {
				return p, false
			}
		case kind == "tRNS":
			if p.transparent || len(p.compressed) > 0 || len(body) > p.colours {
				return p, false
			}
			p.alpha(body)
		case kind == "IDAT" && (p.channels > 1 || p.colours > 0):
			p.compressed = append(p.compressed, body...)
		case kind == "IEND":
			return p, len(p.compressed) > 0 && p.width > 0
		case kind[0]&0x20 == 0: // a critical chunk of an unknown kind or in an uncommon order
			return p, false
		}
	}
	return p, false
}

func (p *pngFile) header(b []byte) bool {
	if len(b) != 13 {
		return false
	}
	p.width, p.height = int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
	p.depth = int(b[8])
	switch kind := b[9]; {
	case kind == 2 && p.depth == 8:
		p.channels = 3
	case kind == 6 && p.depth == 8:
		p.channels = 4
	case kind == 3 && (p.depth == 1 || p.depth == 2 || p.depth == 4 || p.depth == 8):
		p.channels = 1
	default:
		return false
	}
	return p.width > 0 && p.height > 0 && b[10] == 0 && b[11] == 0 && b[12] == 0
}

// plain fills the palette; entries that are missing are black.
func (p *pngFile) plain(b []byte) bool {
	if p.colours = len(b) / 3; len(b)%3 != 0 || p.colours == 0 || p.colours > 1<<p.depth {
		return false
	}
	for i := range 256 {
		copy(p.palette[4*i:], "\x00\x00\x00\xff")
		if 3*i+3 <= len(b) {
			copy(p.palette[4*i:4*i+3], b[3*i:])
		}
	}
	return true
}

func (p *pngFile) alpha(b []byte) {
	for i, a := range b {
		entry := p.palette[4*i:][:4]
		for c := range 3 {
			entry[c] = uint8(div255(uint32(entry[c]) * uint32(a)))
		}
		entry[3] = a
		p.transparent = p.transparent || a != 255
	}
}

// pngBuffers are reused for the compressed data of images.
var pngBuffers = sync.Pool{New: func() any { return new([]byte) }}

// pngRoom returns an image of the size whose memory also holds the decompressed
// rows. They are at its end. The pixels of a row never reach the row before it,
// which the next one needs. Once decoded, the image is cut to its size.
func pngRoom(p *pngFile, alloc allocator) (img *image.RGBA, raw []byte) {
	img = alloc(image.Pt(p.width, p.height+4+p.height/(4*p.width)))
	end := len(img.Pix) - 4 // decoders read up to there
	raw = img.Pix[end-p.height*(1+p.row()) : end]
	img.Rect.Max.Y = p.height
	img.Pix = img.Pix[:4*p.width*p.height]
	return img, raw
}
