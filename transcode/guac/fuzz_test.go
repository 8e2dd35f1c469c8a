package guac

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func FuzzInstructions(f *testing.F) {
	f.Add([]byte("4.size,1.0,1.8,1.8;4.sync,1.1;"))
	f.Add([]byte("3.nop;"))
	f.Add([]byte("4.name,3.管理员;"))
	f.Add([]byte("99999999999.x;"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := elements(NewParser(bytes.NewReader(data)))
		pieces, err2 := elements(NewParser(oneByte{bytes.NewReader(data)}))
		if whole != pieces || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Errorf("%q, %v\n%q, %v", whole, err, pieces, err2)
		}
	})
}

// elements returns all instructions as one text.
func elements(p *Parser) (string, error) {
	var b strings.Builder
	for {
		in, err := p.Next()
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s%q\n", in.Opcode, in.Args)
	}
}

// fuzzLimits keep the fuzzed recordings small.
var fuzzLimits = Limits{MaxWidth: 128, MaxHeight: 128, MaxScreen: 1 << 14, MaxPixels: 1 << 17, MaxLayers: 16, MaxStreams: 16, MaxStreamBytes: 1 << 16,
	MaxGap: time.Minute, MaxDuration: 5 * time.Minute}

// FuzzImageStreams sends bytes as an image in blobs of several sizes. The image is
// drawn as its header says, or skipped with a warning.
func FuzzImageStreams(f *testing.F) {
	for i, name := range []string{"photo.png", "photo.jpg", "photo.webp", "alpha.webp", "lossless.webp", "palette.png", "deep.png", "greyalpha.png"} {
		data, err := os.ReadFile(referenceDir + "images/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), uint16(len(data)), data)
		f.Add(uint8(i), uint16(7), data[:len(data)/2])
	}
	types := []string{"image/png", "image/jpeg", "image/webp", "image/webp", "image/webp", "image/png", "image/png", "image/png"}
	f.Fuzz(func(t *testing.T, kind uint8, step uint16, data []byte) {
		mimetype := types[int(kind)%len(types)]
		s := screen(64, 64).add("img", 1, 14, -1, mimetype, 0, 0)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), max(1, int(step)))
			s.add("blob", 1, base64.StdEncoding.EncodeToString(rest[:n]))
			rest = rest[n:]
		}
		s.add("end", 1)
		m := newMachine(t)
		m.run(s.String())
		buffer := m.display.layers[-1]
		w, h, err := imageSize(mimetype, data, fuzzLimits)
		reported := len(m.display.problems)+len(m.t.bad) > 0
		if drawn := err == nil && buffer.size == image.Pt(w, h); !drawn && !reported {
			t.Errorf("%v, the header says %d×%d, %v: neither drawn nor told", buffer.size, w, h, err)
		}
		m.check()
	})
}

// machine executes instructions one by one on a display.
type machine struct {
	*testing.T
	t       *interpreter
	display *display
	canvas  *image.RGBA
}

func newMachine(t *testing.T) *machine {
	m := &machine{T: t, display: newDisplay(fuzzLimits, unlimited()), canvas: image.NewRGBA(image.Rect(0, 0, 128, 128))}
	m.t = newInterpreter(fuzzLimits, m)
	m.display.all = true
	return m
}

func (m *machine) run(text string) {
	p := NewParser(strings.NewReader(text))
	for {
		in, err := p.Next()
		if err != nil {
			return
		}
		m.t.interpret(in, 0)
	}
}

func (m *machine) op(o op)               { m.display.do(&o) }
func (m *machine) audio(*stream, []byte) {}
func (m *machine) ended(*stream)         {}
func (m *machine) sync(int64)            { m.check() }
func (m *machine) picture(o op, mimetype string, data []byte) {
	o.pic = newPicture(mimetype, data)
	if _, _, err := imageSize(mimetype, data, fuzzLimits); err != nil {
		o.pic.err = err
	} else {
		o.pic.pic, o.pic.err = decodeImage(mimetype, data, newImage)
	}
	close(o.pic.done)
	m.op(o)
}

// check composes the display. All changes must be within the damage, colours must
// be premultiplied, and the count of pixels must be right.
func (m *machine) check() {
	m.Helper()
	d := m.display
	d.compose(&view{screen: m.canvas.Rect, canvas: m.canvas})
	whole, allowed := image.NewRGBA(m.canvas.Rect), 0
	d.all = true
	d.compose(&view{screen: whole.Rect, canvas: whole})
	pixels := 0
	for index, l := range d.layers {
		if l.distort != nil {
			allowed = 2 // a part of a shape is rounded differently
		}
		pixels += area(l.canvas())
		for i := 0; i < len(l.img.Pix); i += 4 {
			if p := l.img.Pix[i : i+4]; max(p[0], p[1], p[2]) > p[3] {
				m.Fatalf("layer %d: %v is no premultiplied colour", index, p)
			}
		}
	}
	if pixels != d.pixels || pixels > fuzzLimits.MaxPixels+fuzzLimits.MaxScreen {
		m.Fatalf("%d pixels, counted %d", pixels, d.pixels)
	}
	for y := range whole.Rect.Dy() {
		for x := range whole.Rect.Dx() {
			if distance(whole, m.canvas, x, y) > allowed {
				m.Fatalf("%d,%d is %v and shown as %v", x, y, whole.RGBAAt(x, y), m.canvas.RGBAAt(x, y))
			}
		}
	}
}

// FuzzDisplay executes drawing instructions made of bytes: one for the
// opcode, one for each argument.
func FuzzDisplay(f *testing.F) {
	opcodes := []struct {
		name string
		args string // i = number, s = small one, m = mask, c = colour, f = fraction, d = picture
	}{
		{"sync", "i"}, {"size", "sii"}, {"rect", "siiii"}, {"cfill", "mscccc"}, {"lfill", "mss"}, {"cstroke", "msssicccc"}, {"lstroke", "msssis"},
		{"start", "sii"}, {"line", "sii"}, {"arc", "siiiffs"}, {"curve", "siiiiii"}, {"close", "s"}, {"clip", "s"}, {"push", "s"}, {"pop", "s"},
		{"reset", "s"}, {"identity", "s"}, {"transform", "sffffii"}, {"distort", "sffffii"}, {"copy", "siiiimsii"}, {"transfer", "siiiimsii"},
		{"move", "ssiis"}, {"shade", "sc"}, {"dispose", "s"}, {"cursor", "iisiiii"}, {"mouse", "ii"}, {"png", "msiid"},
	}
	picture := onePixel()
	f.Add([]byte{1, 1, 20, 20, 2, 1, 2, 2, 9, 9, 3, 14, 1, 250, 0, 99, 128, 21, 1, 0, 5, 5, 1, 0, 1, 22, 1, 90, 0, 2})
	f.Add([]byte{2, 0, 1, 1, 30, 30, 12, 0, 9, 0, 10, 10, 9, 0, 6, 0, 3, 12, 0, 250, 250, 0, 255, 18, 1, 3, 2, 1, 9, 4, 4, 0, 1})
	f.Add([]byte{7, 0, 3, 3, 8, 0, 60, 9, 8, 0, 9, 60, 5, 14, 0, 1, 2, 5, 255, 255, 0, 200, 24, 1, 1, 0, 0, 0, 20, 20, 25, 30, 30, 0, 1})
	f.Add([]byte{17, 0, 9, 2, 253, 9, 3, 3, 26, 14, 0, 4, 4, 0, 19, 0, 0, 0, 50, 50, 12, 255, 3, 3, 4, 14, 0, 255, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := newMachine(t)
		m.run(screen(70, 50).String())
		next := func() int8 {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int8(b)
		}
		for n := 0; len(data) > 0 && n < 60; n++ {
			code := opcodes[int(uint8(next()))%len(opcodes)]
			var args []any
			for _, kind := range code.args {
				v := next()
				switch kind {
				case 'i':
					args = append(args, int(v))
				case 's':
					args = append(args, int(v)%5)
				case 'm':
					args = append(args, int(v)&0xF)
				case 'c':
					args = append(args, int(uint8(v)))
				case 'f':
					args = append(args, float64(v)/8)
				case 'd':
					args = append(args, picture)
				}
			}
			var s script
			m.run(s.add(code.name, args...).String())
		}
		m.check()
	})
}

func FuzzPlay(f *testing.F) {
	f.Add(screen(8, 8).box(0, 0, 0, 4, 4, red, MaskOver).add("sync", 1).add("sync", 100).String())
	f.Add(screen(8, 8).picture(1, 0, 0, 0, 8, 8, color.NRGBA{1, 2, 3, 100}, MaskXor).add("copy", 0, 0, 0, 4, 4, 14, -1, 2, 2).add("sync", 1).String())
	f.Add(screen(8, 8).add("arc", 0, 4, 4, 3, 0, 6, 1).add("cstroke", 14, 0, 1, 2, 2, 255, 0, 0, 255).add("distort", 1, 1, 0, 0, 1, 2, 2).add("sync", 5).String())
	f.Add(screen(8, 8).add("audio", 1, "audio/L16;rate=8000,channels=2").add("blob", 1, "AAECAw==").add("nest", 1, "4.sync,1.9;").add("sync", 7).String())
	f.Add(screen(8, 8).add("push", 0).add("transform", 0, 2, 0, 0, 2, 1, 1).add("rect", 0, 1, 1, 2, 2).add("clip", 0).box(0, 0, 0, 9, 9, blue, MaskAdd).add("pop", 0).add("sync", 7).String())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Scan(strings.NewReader(text), fuzzLimits)
		if err != nil {
			return
		}
		p := Part{Summary: s, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		previous := time.Duration(-1)
		_, err = Play(t.Context(), []Part{p}, Options{Limits: fuzzLimits}, sinkFunc(func(f Frame) error {
			if f.Time <= previous || f.Time > s.Duration+time.Millisecond {
				t.Errorf("frame at %s after %s of %s", f.Time, previous, s.Duration)
			}
			previous = f.Time
			return nil
		}), nil)
		if err != nil && err != ErrNothingDrawn {
			t.Errorf("%v", err)
		}
	})
}
