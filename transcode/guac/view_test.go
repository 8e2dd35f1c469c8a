package guac

import (
	"image"
	"image/color"
	"math/rand/v2"
	"strings"
	"testing"
)

// mean computes a smaller picture by its definition.
func mean(src *image.RGBA, size image.Point) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: size})
	w, h := float64(src.Rect.Dx())/float64(size.X), float64(src.Rect.Dy())/float64(size.Y)
	for y := range size.Y {
		for x := range size.X {
			var sum [3]float64
			x0, x1, y0, y1 := float64(x)*w, float64(x+1)*w, float64(y)*h, float64(y+1)*h
			for v := int(y0); float64(v) < y1 && v < src.Rect.Dy(); v++ {
				for u := int(x0); float64(u) < x1 && u < src.Rect.Dx(); u++ {
					part := (min(float64(u+1), x1) - max(float64(u), x0)) * (min(float64(v+1), y1) - max(float64(v), y0))
					for c := range 3 {
						sum[c] += part * float64(src.Pix[src.PixOffset(u, v)+c])
					}
				}
			}
			out.SetRGBA(x, y, color.RGBA{uint8(sum[0]/(w*h) + 0.5), uint8(sum[1]/(w*h) + 0.5), uint8(sum[2]/(w*h) + 0.5), 255})
		}
	}
	return out
}

// TestSmallerFramesShowTheSame: frames that are smaller than the screen always show
// the mean of its pixels, whatever part has changed.
func TestSmallerFramesShowTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 20))
	for _, tc := range []struct{ screen, size image.Point }{
		{image.Pt(300, 200), image.Pt(150, 100)}, {image.Pt(301, 199), image.Pt(128, 84)}, {image.Pt(960, 108), image.Pt(410, 46)}, {image.Pt(64, 700), image.Pt(22, 230)},
	} {
		s := screen(tc.screen.X, tc.screen.Y)
		s.picture(1, 0, 0, 0, tc.screen.X, tc.screen.Y, color.NRGBA{90, 120, 200, 255}, MaskOver)
		for i := range 40 {
			s.box(0, r.IntN(tc.screen.X), r.IntN(tc.screen.Y), 1+r.IntN(60), 1+r.IntN(60), color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}, MaskOver)
			if i == 20 {
				s.box(-1, 0, 0, 9, 9, green, MaskOver).add("cursor", 1, 1, -1, 0, 0, 9, 9)
			}
			s.add("mouse", r.IntN(tc.screen.X), r.IntN(tc.screen.Y)).add("sync", i*1000)
		}
		large, _ := play(t, Options{}, s.String())
		small, _ := play(t, Options{Scaled: tc.size}, s.String())
		if len(large.shots) != len(small.shots) {
			t.Fatalf("%d frames, %d of them small", len(large.shots), len(small.shots))
		}
		for i, shot := range small.shots {
			want := mean(large.shots[i].img, tc.size)
			if err := (comparison{kind: "within", limit: 1}).check(shot.img, want); err != nil {
				t.Fatalf("%v as %v, at %s: %v", tc.screen, tc.size, shot.at, err)
			}
			for k, a := range shot.damage {
				for _, b := range shot.damage[:k] {
					if a.Overlaps(b) {
						t.Errorf("%v and %v overlap", a, b)
					}
				}
			}
			if i == 0 {
				continue
			}
			for y := range tc.size.Y { // pixels outside of the damage have not changed
				for x := range tc.size.X {
					inside := false
					for _, d := range shot.damage {
						inside = inside || image.Pt(x, y).In(d)
					}
					if before := small.shots[i-1].img; !inside && before.RGBAAt(x, y) != shot.img.RGBAAt(x, y) {
						t.Fatalf("%d,%d changed outside of the damage", x, y)
					}
				}
			}
		}
	}
}

// TestLargeScreensAreDrawn: up to 64 megapixels, also in the middle of a session,
// by a short recording; larger ones are not.
func TestLargeScreensAreDrawn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes memory")
	}
	for _, size := range []image.Point{{6016, 3384}, {7680, 4320}, {9600, 1080}, {16384, 1200}, {1200, 16384}, {8192, 8192}} {
		s := dumped(color.NRGBA{255, 0, 0, 255}).add("sync", 0).add("size", 0, size.X, size.Y)
		s.box(0, 0, 0, size.X, size.Y, blue, MaskOver).box(0, size.X-64, size.Y-64, 64, 64, green, MaskOver).add("sync", 1000).add("sync", 2000)
		a, stats := play(t, Options{Scaled: image.Pt(size.X/16, size.Y/16)}, s.String())
		last := a.shots[len(a.shots)-1].img
		wantPixels(t, last, px{at(0, 0): blue, at(size.X/32, size.Y/32): blue, at(size.X/16-1, size.Y/16-1): green})
		if len(stats.Missing) > 0 {
			t.Errorf("%v: %q", size, stats.Missing)
		}
	}
	for _, size := range []image.Point{{8192, 8256}, {16448, 64}} {
		p := part(t, screen(size.X, size.Y).add("size", 0, 8, 8).box(0, 0, 0, 8, 8, red, MaskOver).add("sync", 1).String())
		if p.Summary.Refused != size || p.Summary.Width != 8 {
			t.Errorf("%v: %+v", size, p.Summary)
		}
		stats, err := Play(t.Context(), []Part{p}, Options{}, &album{}, nil)
		if err != nil || !strings.Contains(strings.Join(stats.Missing, "\n"), "a layer of") {
			t.Errorf("%v: %v, %q", size, err, stats.Missing)
		}
	}
}

// TestScreensWithinMemory: a screen must fit into free memory.
func TestScreensWithinMemory(t *testing.T) {
	for free, want := range map[uint64]int{0: smallScreen, 300 << 20: 300 << 20 / 16, 640 << 20: 40 << 20, 1 << 40: 64 << 20, 1<<64 - 1: 64 << 20} {
		if got := DefaultLimits.Within(free).MaxScreen; got != want {
			t.Errorf("%d bytes free: %d pixels, want %d", free, got, want)
		}
	}
	lim := DefaultLimits.Within(0)
	s, err := Scan(strings.NewReader(screen(7680, 4320).add("sync", 1).String()), lim)
	if err != nil || s.Refused != image.Pt(7680, 4320) {
		t.Errorf("%+v, %v", s, err)
	}
	_, stats := play(t, Options{Limits: lim}, screen(7680, 4320).box(0, 0, 0, 9, 9, red, MaskOver).add("sync", 1).String())
	if !strings.Contains(strings.Join(stats.Missing, "\n"), "a layer of 7680×4320 pixels") {
		t.Errorf("%q", stats.Missing)
	}
}
