package guac

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

// script writes instructions.
type script struct{ guactest.Script }

func (s *script) add(opcode string, args ...any) *script {
	s.Add(opcode, args...)
	return s
}

// box fills a rectangle of a layer.
func (s *script) box(layer, x, y, w, h int, c color.RGBA, mask Mask) *script {
	s.Box(layer, x, y, w, h, c, int(mask))
	return s
}

// picture draws a PNG of one colour through a stream.
func (s *script) picture(stream, layer, x, y, w, h int, c color.NRGBA, mask Mask) *script {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.SetNRGBA(i%w, i/w, c)
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	text := base64.StdEncoding.EncodeToString(b.Bytes())
	s.add("img", stream, int(mask), layer, "image/png", x, y)
	for len(text) > 0 {
		n := min(len(text), 400)
		s.add("blob", stream, text[:n])
		text = text[n:]
	}
	return s.add("end", stream)
}

var (
	red   = color.RGBA{255, 0, 0, 255}
	green = color.RGBA{0, 255, 0, 255}
	blue  = color.RGBA{0, 0, 255, 255}
	black = color.RGBA{0, 0, 0, 255}
	none  = color.RGBA{}
)

func part(t testing.TB, text string) Part {
	t.Helper()
	return dumpPart(t, []byte(text))
}

// play plays scripts as parts and keeps all frames.
func play(t *testing.T, opt Options, texts ...string) (*album, Stats) {
	t.Helper()
	var parts []Part
	for _, text := range texts {
		parts = append(parts, part(t, text))
	}
	a := &album{pictures: true}
	stats, err := Play(t.Context(), parts, opt, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, stats
}

// final plays a script that ends with one sync and returns the display.
func final(t *testing.T, s *script) *image.RGBA {
	t.Helper()
	s.add("sync", 1)
	a, stats := play(t, Options{}, s.String())
	if len(stats.Warnings) > 0 {
		t.Errorf("warnings: %v", stats.Warnings)
	}
	return a.shots[len(a.shots)-1].img
}

func screen(w, h int) *script { return new(script).add("size", 0, w, h) }

// wantPixels compares the pixels at the given points.
func wantPixels(t *testing.T, img *image.RGBA, want map[image.Point]color.RGBA) {
	t.Helper()
	for p, c := range want {
		if got := img.RGBAAt(p.X, p.Y); got != c {
			t.Errorf("%v: %v, want %v", p, got, c)
		}
	}
}

func at(x, y int) image.Point { return image.Pt(x, y) }

type px = map[image.Point]color.RGBA

func TestDrawing(t *testing.T) {
	half := color.NRGBA{255, 0, 0, 128}
	for name, tc := range map[string]struct {
		script *script
		want   px
	}{
		"nothing is black": {screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver), px{at(0, 0): red, at(5, 5): black}},
		"an image is drawn at its end": {screen(8, 8).picture(3, 0, 2, 2, 4, 4, color.NRGBA{0, 0, 255, 255}, MaskOver),
			px{at(1, 1): black, at(2, 2): blue, at(5, 5): blue, at(6, 6): black}},
		"images on several streams": {screen(8, 8).
			add("img", 1, 14, 0, "image/png", 0, 0).picture(2, 0, 4, 4, 2, 2, color.NRGBA{0, 255, 0, 255}, MaskOver).
			box(0, 0, 0, 2, 2, red, MaskOver), px{at(4, 4): green, at(0, 0): red}},
		"an image without end draws nothing": {screen(8, 8).box(0, 7, 7, 1, 1, red, MaskOver).add("img", 1, 14, 0, "image/png", 0, 0).
			add("blob", 1, "aGVsbG8="), px{at(0, 0): black, at(7, 7): red}},
		"half transparent over": {screen(8, 8).box(0, 0, 0, 8, 8, blue, MaskOver).picture(1, 0, 0, 0, 4, 4, half, MaskOver),
			px{at(0, 0): {128, 0, 127, 255}, at(5, 5): blue}},
		"a picture partly outside": {screen(8, 8).picture(1, 0, -2, -2, 4, 4, color.NRGBA{255, 0, 0, 255}, MaskOver).
			picture(1, 0, 6, 6, 4, 4, color.NRGBA{0, 255, 0, 255}, MaskOver), px{at(1, 1): red, at(2, 2): black, at(7, 7): green}},
		"copy between layer and buffer": {screen(8, 8).box(-1, 0, 0, 4, 4, green, MaskOver).add("copy", -1, 1, 1, 2, 2, 14, 0, 5, 5),
			px{at(4, 4): black, at(5, 5): green, at(6, 6): green, at(7, 7): black}},
		"a copy reaching outside its source is clipped": {screen(8, 8).box(-1, 0, 0, 2, 2, green, MaskOver).
			add("copy", -1, -1, -1, 9, 9, 14, 0, 2, 2), px{at(2, 2): black, at(3, 3): green, at(4, 4): green, at(5, 5): black}},
		"a copy within a layer works as through another": {screen(8, 1).box(0, 0, 0, 1, 1, red, MaskOver).box(0, 1, 0, 1, 1, green, MaskOver).
			add("copy", 0, 0, 0, 4, 1, 14, 0, 1, 0), px{at(0, 0): red, at(1, 0): red, at(2, 0): green, at(3, 0): black}},
		"several rectangles in one path": {screen(8, 8).add("rect", 0, 0, 0, 2, 2).add("rect", 0, 4, 4, 2, 2).add("cfill", 14, 0, 255, 0, 0, 255),
			px{at(1, 1): red, at(3, 3): black, at(5, 5): red}},
		"a path can be painted twice": {screen(8, 8).add("rect", 0, 0, 0, 4, 4).add("cfill", 14, 0, 255, 0, 0, 255).add("cfill", 15, 0, 0, 255, 0, 255),
			px{at(0, 0): {255, 255, 0, 255}}},
		"the next segment begins a new path": {screen(8, 8).box(0, 0, 0, 2, 2, red, MaskOver).box(0, 4, 4, 2, 2, green, MaskOver),
			px{at(0, 0): red, at(4, 4): green}},
		"erase and draw below": {screen(4, 1).box(0, 0, 0, 4, 1, red, MaskOver).box(0, 1, 0, 1, 1, black, MaskDestOut).
			box(0, 0, 0, 4, 1, green, MaskDestOver), px{at(0, 0): red, at(1, 0): green}},
		"replace, all of the layer": {screen(4, 1).box(0, 0, 0, 4, 1, red, MaskOver).box(0, 1, 0, 1, 1, green, MaskSrc), px{at(0, 0): black, at(1, 0): green}},
		"clear by mask 9":           {screen(4, 1).box(0, 0, 0, 4, 1, red, MaskOver).box(0, 1, 0, 2, 1, none, MaskDestAtop), px{at(0, 0): black, at(1, 0): black}},
		"add saturates":             {screen(4, 1).box(0, 0, 0, 4, 1, color.RGBA{200, 100, 0, 255}, MaskOver).box(0, 0, 0, 1, 1, color.RGBA{100, 100, 0, 255}, MaskAdd), px{at(0, 0): {255, 200, 0, 255}}},
		"children lie by ascending z": {screen(8, 8).add("size", 1, 4, 4).add("size", 2, 4, 4).box(1, 0, 0, 4, 4, red, MaskOver).
			box(2, 0, 0, 4, 4, green, MaskOver).add("move", 1, 0, 0, 0, 5).add("move", 2, 0, 2, 2, 1), px{at(0, 0): red, at(3, 3): red, at(5, 5): green}},
		"a layer is clipped to its parent": {screen(8, 8).add("size", 1, 4, 4).add("size", 2, 4, 4).box(1, 0, 0, 4, 4, red, MaskOver).
			box(2, 0, 0, 4, 4, green, MaskOver).add("move", 2, 1, 2, 2, 0), px{at(3, 3): green, at(5, 5): black}},
		"opacity goes for children, too": {screen(8, 8).add("size", 1, 4, 4).add("size", 2, 4, 4).add("move", 2, 1, 0, 0, 0).
			box(2, 0, 0, 4, 4, color.RGBA{200, 200, 200, 255}, MaskOver).add("shade", 1, 128), px{at(0, 0): {100, 100, 100, 255}}},
		"a disposed layer is gone": {screen(8, 8).add("size", 1, 4, 4).box(1, 0, 0, 4, 4, red, MaskOver).box(0, 7, 7, 1, 1, green, MaskOver).
			add("dispose", 1), px{at(0, 0): black, at(7, 7): green}},
		"resizing keeps the top left": {screen(4, 4).box(0, 0, 0, 4, 4, red, MaskOver).add("size", 0, 8, 2), px{at(3, 1): red, at(5, 1): black, at(1, 3): black}},
		"the pointer waits for the first mouse": {screen(8, 8).box(-2, 0, 0, 2, 2, green, MaskOver).box(0, 0, 0, 8, 8, blue, MaskOver).
			add("cursor", 1, 1, -2, 0, 0, 2, 2), px{at(0, 0): blue, at(4, 4): blue}},
		"the pointer lies at mouse less hotspot": {screen(8, 8).box(-2, 0, 0, 2, 2, green, MaskOver).box(0, 0, 0, 8, 8, blue, MaskOver).
			add("cursor", 1, 1, -2, 0, 0, 2, 2).add("mouse", 4, 4), px{at(2, 2): blue, at(3, 3): green, at(4, 4): green, at(5, 5): blue}},
		"lengths count code points": {screen(8, 8).add("name", "管理员 🙂").box(0, 0, 0, 1, 1, red, MaskOver), px{at(0, 0): red}},
		"nested instructions": {screen(8, 8).add("nest", 0, "4.rect,1.0,1.0,1.0,1.2,1.2;5.cfi").add("nest", 0, "ll,2.14,1.0,3.255,1.0,1.0,3.255;"),
			px{at(1, 1): red}},
		"an inline image": {screen(8, 8).add("png", 14, 0, 1, 1, onePixel()), px{at(1, 1): red, at(2, 2): black}},
		"a pattern fill": {screen(8, 1).box(-1, 0, 0, 1, 1, red, MaskOver).box(-1, 1, 0, 1, 1, green, MaskOver).
			add("rect", 0, 0, 0, 8, 1).add("lfill", 14, 0, -1), px{at(0, 0): red, at(1, 0): green, at(6, 0): black}},
		"a clip": {screen(8, 8).add("rect", 0, 2, 2, 2, 2).add("clip", 0).box(0, 0, 0, 8, 8, red, MaskOver), px{at(2, 2): red, at(1, 1): black, at(5, 5): black}},
		"push and pop": {screen(8, 8).add("push", 0).add("rect", 0, 0, 0, 1, 1).add("clip", 0).add("pop", 0).box(0, 4, 4, 1, 1, red, MaskOver),
			px{at(4, 4): red}},
		"reset drops the clip": {screen(8, 8).add("rect", 0, 0, 0, 1, 1).add("clip", 0).add("reset", 0).box(0, 4, 4, 1, 1, red, MaskOver), px{at(4, 4): red}},
		"a transform moves": {screen(8, 8).add("transform", 0, 1, 0, 0, 1, 3, 2).box(0, 0, 0, 1, 1, red, MaskOver).add("identity", 0).
			box(0, 0, 0, 1, 1, green, MaskOver), px{at(3, 2): red, at(0, 0): green}},
		"a distorted layer": {screen(8, 8).add("size", 1, 2, 2).box(1, 0, 0, 2, 2, red, MaskOver).add("distort", 1, 1, 0, 0, 1, 4, 4),
			px{at(0, 0): black, at(5, 5): red}},
		"a closed triangle": {screen(9, 9).add("start", 0, 0, 0).add("line", 0, 8, 0).add("line", 0, 0, 8).add("close", 0).add("cfill", 14, 0, 255, 0, 0, 255),
			px{at(1, 1): red, at(7, 7): black}},
		"a disc": {screen(9, 9).add("arc", 0, 4.5, 4.5, 4, 0, 6.283185307179586, 0).add("cfill", 14, 0, 255, 0, 0, 255),
			px{at(4, 4): red, at(0, 0): black, at(8, 8): black, at(4, 1): red}},
		"a stroke": {screen(9, 9).add("start", 0, 0, 4).add("line", 0, 9, 4).add("cstroke", 14, 0, 0, 0, 2, 255, 0, 0, 255),
			px{at(4, 3): red, at(4, 4): red, at(4, 2): black, at(4, 5): black}},
		"a curve": {screen(9, 9).add("start", 0, 0, 0).add("curve", 0, 0, 9, 9, 9, 9, 0).add("cfill", 14, 0, 255, 0, 0, 255), px{at(4, 3): red, at(4, 8): black}},
	} {
		t.Run(name, func(t *testing.T) { wantPixels(t, final(t, tc.script), tc.want) })
	}
}

func onePixel() string {
	img := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	img.SetNRGBA(0, 0, color.NRGBA{255, 0, 0, 255})
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestTransferFunctions(t *testing.T) {
	const s, d = 0b1100, 0b1010
	want := map[int]uint8{0x0: 0, 0xF: 255, 0x3: s, 0x5: d, 0xC: 255 ^ s, 0xA: 255 ^ d, 0x1: s & d, 0xE: 255 ^ (s & d), 0x7: s | d,
		0x8: 255 ^ (s | d), 0x6: s ^ d, 0x9: 255 ^ s ^ d, 0x4: (255 ^ s) & d, 0xD: (255 ^ s) | d, 0x2: s & (255 ^ d), 0xB: s | (255 ^ d)}
	for function, v := range want {
		img := final(t, screen(2, 2).box(0, 0, 0, 2, 2, color.RGBA{d, d, d, 255}, MaskOver).
			box(-1, 0, 0, 2, 2, color.RGBA{s, s, s, 255}, MaskOver).add("transfer", -1, 0, 0, 1, 1, function, 0, 0, 0))
		wantPixels(t, img, px{at(0, 0): {v, v, v, 255}, at(1, 1): {d, d, d, 255}})
	}
}

func ms(values ...int) []time.Duration {
	times := []time.Duration{}
	for _, v := range values {
		times = append(times, time.Duration(v)*time.Millisecond)
	}
	return times
}

// steps returns a script that draws another box before each sync.
func steps(syncs ...int) string {
	s := screen(64, 64)
	for i, ts := range syncs {
		s.box(0, i%8*8, i/8%8*8, 8, 8, color.RGBA{uint8(i + 1), 0, 0, 255}, MaskOver).add("sync", ts)
	}
	return s.String()
}

func TestTime(t *testing.T) {
	for name, tc := range map[string]struct {
		parts  []string
		frames []time.Duration
		length time.Duration
	}{
		"true times":                         {[]string{steps(5000, 5500, 6234)}, ms(0, 500, 1234), 1234 * time.Millisecond},
		"the last of a slot wins":            {[]string{steps(0, 10, 30, 65, 70, 120, 400)}, ms(0, 120, 400), 400 * time.Millisecond},
		"a slot begins with its first sync":  {[]string{steps(0, 1000, 1040, 1080, 1120, 1160, 1226, 1227)}, ms(0, 1040, 1120, 1226, 1227), 1227 * time.Millisecond},
		"idle time is repeated":              {[]string{steps(0, 25_000)}, ms(0, 10_000, 20_000, 25_000), 25 * time.Second},
		"one sync":                           {[]string{steps(77)}, ms(0), 0},
		"no sync":                            {[]string{screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).String()}, ms(0), 0},
		"the last picture is held":           {[]string{steps(0, 100) + new(script).add("sync", 3000).String()}, ms(0, 100, 2933), 3 * time.Second},
		"drawing after the last sync":        {[]string{steps(0, 1000) + new(script).box(0, 0, 0, 9, 9, blue, MaskOver).String()}, ms(0, 1000), time.Second},
		"mouse times are not looked at":      {[]string{screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("mouse", 1, 1, 0, 99999).add("sync", 10).add("sync", 20).String()}, ms(0), 10 * time.Millisecond},
		"a clock that starts again":          {[]string{steps(100_000, 101_000, 50, 1050)}, ms(0, 1000, 2000), 2 * time.Second},
		"a clock that is set far ahead":      {[]string{steps(0, 1000, 1000+1000*3600*30, 2000+1000*3600*30)}, ms(0, 1000, 2000), 2 * time.Second},
		"parts share a clock; gaps are kept": {[]string{steps(1000, 2000), steps(2500, 3000)}, ms(0, 1000, 1500, 2000), 2 * time.Second},
		"overlap is dropped":                 {[]string{steps(1000, 2000), steps(1500, 1900, 2600)}, ms(0, 1000, 1600), 1600 * time.Millisecond},
		"a part of another clock follows":    {[]string{steps(90_000, 91_000), steps(10, 510)}, ms(0, 1000, 1500), 1500 * time.Millisecond},
		"a part without syncs":               {[]string{steps(1000, 2000), screen(8, 8).String(), steps(2500)}, ms(0, 1000, 1500), 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			a, stats := play(t, Options{}, tc.parts...)
			if got := fmt.Sprint(a.times()); got != fmt.Sprint(tc.frames) {
				t.Errorf("frames at %s, want %v", got, tc.frames)
			}
			if stats.Duration != tc.length || stats.Frames != len(a.shots) {
				t.Errorf("%d frames in %s, want %s", stats.Frames, stats.Duration, tc.length)
			}
		})
	}
}

func TestTheFinalFrameShowsWhatWasDrawnAfterTheLastSync(t *testing.T) {
	a, _ := play(t, Options{}, steps(0, 1000)+new(script).box(0, 0, 0, 9, 9, blue, MaskOver).String())
	wantPixels(t, a.shots[len(a.shots)-1].img, px{at(0, 0): blue})
}

func TestDamageIsWhatChanged(t *testing.T) {
	s := screen(64, 64).box(0, 0, 0, 64, 64, blue, MaskOver).add("sync", 0)
	s.box(0, 8, 8, 4, 4, red, MaskOver).box(0, 40, 40, 8, 8, red, MaskOver).add("sync", 1000).add("sync", 2000)
	s.box(-1, 0, 0, 2, 2, green, MaskOver).add("cursor", 0, 0, -1, 0, 0, 2, 2).add("mouse", 20, 20).add("sync", 3000)
	s.add("mouse", 30, 30).add("sync", 4000)
	a, _ := play(t, Options{}, s.String())
	var got []string
	for _, shot := range a.shots {
		got = append(got, fmt.Sprintf("%s %v", shot.at, shot.damage))
	}
	want := []string{
		"0s [(0,0)-(64,64)]", "1s [(8,8)-(12,12) (40,40)-(48,48)]", "3s [(20,20)-(22,22)]", "4s [(20,20)-(22,22) (30,30)-(32,32)]",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// Pixels outside of the damage have not changed.
	for i := 1; i < len(a.shots); i++ {
		before, now := a.shots[i-1].img, a.shots[i].img
		for y := range 64 {
			for x := range 64 {
				inside := false
				for _, r := range a.shots[i].damage {
					inside = inside || at(x, y).In(r)
				}
				if !inside && before.RGBAAt(x, y) != now.RGBAAt(x, y) {
					t.Fatalf("frame %d: %d,%d changed outside the damage", i, x, y)
				}
			}
		}
	}
}

func TestSoundHasItsPlace(t *testing.T) {
	pcm := bytes.Repeat([]byte{1, 2}, 8000) // one second of 8 kHz mono
	text := base64.StdEncoding.EncodeToString(pcm)
	s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("audio", 1, "audio/L16;rate=8000,channels=1").add("audio", 2, "audio/L8;rate=8000,channels=1")
	s.add("blob", 2, base64.StdEncoding.EncodeToString(make([]byte, 100))) // silent
	s.add("sync", 1000).add("sync", 4000)
	s.add("blob", 1, text).add("sync", 5000).add("blob", 1, text).add("sync", 6010)
	s.add("sync", 9000).add("blob", 1, text).add("sync", 10_000)
	p := part(t, s.String())
	if got := fmt.Sprint(p.Summary.Audio); got != "[{8000 1 16}]" {
		t.Errorf("audible tracks: %s", got)
	}
	a, _ := play(t, Options{}, s.String())
	got := sounds(a.sound)
	if want := "[3s to 5s, 8s to 9s]"; got != want {
		t.Errorf("sound at %v, want %s", got, want)
	}
}

func TestWhatCannotBeDrawnIsTold(t *testing.T) {
	s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).
		add("warp", 1, 2).add("img", 1, 14, 0, "image/tiff", 0, 0).add("blob", 1, "aGVsbG8=").add("end", 1).
		add("img", 2, 14, 0, "image/png", 0, 0).add("blob", 2, "aGVsbG8=").add("end", 2).
		add("img", 3, 14, 0, "image/png", 0, 0).add("blob", 3, "!!!!").add("end", 3).add("sync", 1)
	_, stats := play(t, Options{}, s.String())
	all := strings.Join(stats.Warnings, "\n")
	for _, want := range []string{`opcode "warp"`, `image type "image/tiff"`, "image/png: ", "invalid base64"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not told in %s", want, all)
		}
	}
}

func TestNothingDrawnIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"no drawing": screen(8, 8).add("sync", 1).add("sync", 1000).String(),
		"no display": new(script).add("sync", 1).String(),
		"buffers":    screen(8, 8).box(-1, 0, 0, 2, 2, red, MaskOver).add("sync", 1).String(),
	} {
		_, err := Play(t.Context(), []Part{part(t, text)}, Options{}, &album{}, nil)
		if err != ErrNothingDrawn {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScanOfOtherThings(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"empty":   {"", ErrEmpty},
		"text":    {"hello", ErrNotGuacamole},
		"a start": {"4.si", ErrNotGuacamole},
		"JSON":    {`{"version":2}`, ErrNotGuacamole},
	} {
		if _, err := Scan(strings.NewReader(tc.text), Limits{}); !strings.Contains(fmt.Sprint(err), tc.want.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := Scan(strings.NewReader("4.size,1.0,1.8,1.8;4.sync,1.1;4.sync,1"), Limits{})
	if err != nil || !s.Truncated || s.Syncs != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestInputMayComeInAnyPieces reads one byte at a time.
func TestInputMayComeInAnyPieces(t *testing.T) {
	text := screen(8, 8).add("name", "管理员").picture(1, 0, 0, 0, 8, 8, color.NRGBA{1, 2, 3, 255}, MaskOver).add("sync", 1).String()
	whole, err := Scan(strings.NewReader(text), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	slow, err := Scan(oneByte{strings.NewReader(text)}, Limits{})
	if err != nil || fmt.Sprint(whole) != fmt.Sprint(slow) {
		t.Errorf("%v\n%v\n%v", whole, slow, err)
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestPlayingStops(t *testing.T) {
	parts := openBundled(t, "tiny/v3/*/*.gz")
	wrong := fmt.Errorf("disk full")
	if _, err := Play(t.Context(), parts, Options{}, &album{err: wrong}, nil); err != wrong {
		t.Errorf("sink's error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err := Play(ctx, parts, Options{}, sinkFunc(func(Frame) error {
		if n++; n == 3 {
			cancel()
		}
		return nil
	}), nil)
	if err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSlotOfLargeBatches: batches that are too large to be joined do not delay the
// end of a slot.
func TestSlotOfLargeBatches(t *testing.T) {
	s := screen(64, 64)
	for i, ts := range []int{0, 1000, 1040, 1080, 1120, 1160, 1226, 1227} {
		for k := range maxOps / 3 {
			s.box(0, i, k%64, 1, 1, color.RGBA{uint8(i + 1), uint8(k), 0, 255}, MaskOver)
		}
		s.add("sync", ts)
	}
	a, _ := play(t, Options{}, s.String())
	if got, want := fmt.Sprint(a.times()), fmt.Sprint(ms(0, 1040, 1120, 1226, 1227)); got != want {
		t.Errorf("frames at %s, want %s", got, want)
	}
}
