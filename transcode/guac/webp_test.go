package guac

import (
	"encoding/base64"
	"image"
	"testing"
)

// TestBothWebPDecodersAgree decodes the images of the bundled recordings with this
// build's decoder and with the one in Go; rounding may differ.
func TestBothWebPDecodersAgree(t *testing.T) {
	seen, alpha := 0, 0
	c := &collector{each: func(mimetype string, data []byte) {
		if mimetype != "image/webp" || seen >= 300 {
			return
		}
		a, err := decodeWebP(data, newImage)
		if err != nil {
			t.Fatal(err)
		}
		b, err := decodeWebPInGo(data, newImage)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if !a.opaque {
			alpha++
		}
		if a.opaque != b.opaque || a.img.Rect != b.img.Rect {
			t.Fatalf("%v, %v and %v, %v", a.img.Rect, a.opaque, b.img.Rect, b.opaque)
		}
		for i := range a.img.Pix {
			if d := int(a.img.Pix[i]) - int(b.img.Pix[i]); d < -2 || d > 2 {
				t.Fatalf("byte %d of %v differs by %d", i, a.img.Rect, d)
			}
		}
	}}
	for _, pattern := range []string{"tiny/v4/*/*/*.gz", "vnc_resize/v4/*/*/*.gz", "static_main/v4/*/*/*.gz"} {
		for _, p := range openBundled(t, pattern) {
			in, err := p.Open()
			if err != nil {
				t.Fatal(err)
			}
			parser, interp := NewParser(in), newInterpreter(DefaultLimits, c)
			for {
				instruction, err := parser.Next()
				if err != nil {
					break
				}
				interp.interpret(instruction, 0)
			}
		}
	}
	t.Logf("%s and Go agree on %d pictures, %d of them with transparency", WebPDecoder, seen, alpha)
	if seen < 20 {
		t.Errorf("only %d WebP pictures", seen)
	}
}

// collector is a handler that collects pictures.
type collector struct {
	each func(mimetype string, data []byte)
}

func (c *collector) op(op)                                      {}
func (c *collector) picture(_ op, mimetype string, data []byte) { c.each(mimetype, data) }
func (c *collector) audio(*stream, []byte)                      {}
func (c *collector) ended(*stream)                              {}
func (c *collector) sync(int64)                                 {}

func TestDamagedWebPIsAnError(t *testing.T) {
	tiny, _ := base64.StdEncoding.DecodeString("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=")
	if pic, err := decodeWebP(tiny, newImage); err != nil || pic.img.Rect != image.Rect(0, 0, 1, 1) {
		t.Fatalf("%v, %v", pic.img, err)
	}
	for n := range tiny {
		if n < 30 {
			if _, err := decodeWebP(tiny[:n], newImage); err == nil {
				t.Errorf("%d bytes decode", n)
			}
		}
	}
}
