package guac

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/bmp"
)

// errMimetype says that an image has a type that no server sends.
var errMimetype = errors.New("unknown image type")

// allocator allocates the image that a decoder fills; its pixels are arbitrary.
type allocator func(size image.Point) *image.RGBA

// format is an image format that browsers can draw.
type format struct {
	begins string // magic bytes; a dot is any byte
	config func([]byte) (image.Config, error)
	decode func([]byte, allocator) (picture, error)
}

// formats by their mimetype.
var formats = map[string]format{
	"image/png":  {"\x89PNG\r\n\x1a\n", configOf(png.DecodeConfig), decodePNG},
	"image/jpeg": {"\xff\xd8\xff", configOf(jpeg.DecodeConfig), decodeJPEG},
	"image/webp": {"RIFF....WEBP", webpConfig, decodeWebPFrame},
	"image/gif":  {"GIF8.a", gifConfig, decodeGIF},
	"image/bmp":  {"BM", configOf(bmp.DecodeConfig), decodeBMP},
}

// formatOf returns the format of an image by its content, whatever its label says,
// as browsers do. If the content is of no known format it returns that of the
// label, whose decoder then reports the error; "" if that is unknown too.
func formatOf(label string, data []byte) string {
	for mimetype, f := range formats {
		if len(data) < len(f.begins) {
			continue
		}
		same := true
		for i := range len(f.begins) {
			same = same && (f.begins[i] == '.' || f.begins[i] == data[i])
		}
		if same {
			return mimetype
		}
	}
	if _, known := formats[label]; known {
		return label
	}
	return ""
}

// sniffed is how many bytes of an image are needed to recognize its format.
const sniffed = 12

func configOf(decode func(io.Reader) (image.Config, error)) func([]byte) (image.Config, error) {
	return func(data []byte) (image.Config, error) { return decode(bytes.NewReader(data)) }
}

func decodeJPEG(data []byte, alloc allocator) (picture, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, err
	}
	return premultiplied(img, alloc), nil
}

func decodeBMP(data []byte, alloc allocator) (picture, error) {
	img, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, err
	}
	return premultiplied(img, alloc), nil
}

// gifConfig parses the size of a GIF's screen. A first frame that reaches beyond
// the screen enlarges it.
func gifConfig(data []byte) (image.Config, error) {
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return c, err
	}
	frame := gifFrame(data)
	c.Width, c.Height = max(c.Width, frame.Max.X), max(c.Height, frame.Max.Y)
	return c, nil
}

// gifFrame returns the rectangle of a GIF's first frame on its screen; it is empty
// if there is no frame.
func gifFrame(data []byte) image.Rectangle {
	const header, descriptor = 13, 10
	if len(data) < header {
		return image.Rectangle{}
	}
	at := header
	if flags := data[10]; flags&0x80 != 0 { // a global palette
		at += 3 << (flags&7 + 1)
	}
	for at+1 < len(data) && data[at] == '!' { // an extension in blocks, ended by an empty one
		for at += 2; at < len(data) && data[at] != 0; at += 1 + int(data[at]) {
		}
		at++
	}
	if at+descriptor > len(data) || data[at] != ',' {
		return image.Rectangle{}
	}
	number := func(i int) int { return int(binary.LittleEndian.Uint16(data[at+i:])) }
	return image.Rect(0, 0, number(5), number(7)).Add(image.Pt(number(1), number(3)))
}

// decodeGIF decodes the first frame, which is somewhere on a transparent screen.
// image/gif returns an error for a frame that reaches beyond the screen, so the
// header is changed to a larger screen.
func decodeGIF(data []byte, alloc allocator) (picture, error) {
	c, err := gifConfig(data)
	if err != nil {
		return picture{}, err
	}
	if c.Width > math.MaxUint16 || c.Height > math.MaxUint16 {
		return picture{}, errors.New("its frame lies too far outside")
	}
	header := binary.LittleEndian.AppendUint16(append([]byte(nil), data[:6]...), uint16(c.Width))
	header = binary.LittleEndian.AppendUint16(header, uint16(c.Height))
	img, err := gif.Decode(io.MultiReader(bytes.NewReader(header), bytes.NewReader(data[10:])))
	if err != nil {
		return picture{}, err
	}
	return onCanvas(premultiplied(img, newImage), img.Bounds().Min, image.Pt(c.Width, c.Height), alloc), nil
}

// onCanvas draws a picture at a position of a transparent canvas.
func onCanvas(pic picture, at, size image.Point, alloc allocator) picture {
	if at == (image.Point{}) && pic.img.Rect.Max == size {
		return pic
	}
	out := alloc(size)
	clear(out.Pix)
	if r := pic.img.Rect.Add(at).Intersect(out.Rect); !r.Empty() {
		drawImage(out, r, pic.img, r.Min.Sub(at), MaskSrc, false)
	}
	return picture{out, false}
}

func newImage(size image.Point) *image.RGBA { return image.NewRGBA(image.Rectangle{Max: size}) }
