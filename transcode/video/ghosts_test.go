package video

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestGhostsAreRemoved moves a pointer with an icon over a plain desktop, shows and
// removes a window, and then changes nothing for some seconds. Two seconds after the
// last change no ghost may be visible.
func TestGhostsAreRemoved(t *testing.T) {
	t.Parallel()
	const width, height, fps = 640, 368, 15
	ffmpeg := findTool(t)
	out := filepath.Join(t.TempDir(), "ghosts.mp4")
	e, err := ffmpeg.Start(t.Context(), Options{Width: width, Height: height, FPS: fps, CRF: 29, Output: out})
	if err != nil {
		t.Fatal(err)
	}
	screen := image.NewRGBA(image.Rect(0, 0, width, height))
	fill := func(r image.Rectangle, c color.RGBA) {
		draw.Draw(screen, r, image.NewUniform(c), image.Point{}, draw.Src)
	}
	grey, light, dark := color.RGBA{238, 238, 236, 255}, color.RGBA{255, 255, 255, 255}, color.RGBA{20, 24, 60, 255}
	background := func(r image.Rectangle) {
		fill(r, grey)
		fill(r.Intersect(image.Rect(0, 0, width, 60)), dark) // a title bar
	}
	background(screen.Rect)
	r := rand.New(rand.NewPCG(5, 6))
	at := time.Duration(0)
	show := func(damage ...image.Rectangle) {
		t.Helper()
		if err := e.AddFrame(at, screen, damage); err != nil {
			t.Fatal(err)
		}
		at += 70 * time.Millisecond
	}
	show(screen.Rect)
	pointer := image.Rectangle{}
	for i := range 120 {
		before := pointer
		background(before)
		pointer = image.Rect(0, 0, 11, 17).Add(image.Pt(20+i*5, 20+i*7%320))
		fill(pointer, dark)
		fill(pointer.Inset(2), light)
		for range 40 { // the icon
			v := uint8(r.IntN(256))
			screen.SetRGBA(pointer.Min.X+r.IntN(11), pointer.Min.Y+r.IntN(17), color.RGBA{v, v, v, 255})
		}
		show(before, pointer)
	}
	window := image.Rect(300, 100, 420, 160)
	fill(window, color.RGBA{90, 130, 200, 255})
	show(window)
	background(window)
	show(window)
	moved := at
	at += 6 * time.Second
	show() // the player repeats pictures
	e.SetDuration(at)
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := ffmpeg.Verify(t.Context(), out, report); err != nil {
		t.Fatal(err)
	}
	seek := fmt.Sprintf("%.3f", (moved + 2*time.Second).Seconds())
	decoded, err := exec.Command(ffmpeg.Path, "-v", "error", "-ss", seek, "-i", out,
		"-frames:v", "1", "-vf", "extractplanes=y", "-f", "rawvideo", "pipe:1").Output()
	if err != nil || len(decoded) != width*height {
		t.Fatalf("%d bytes, %v", len(decoded), err)
	}
	want := make([]byte, width*height)
	Luma(want, screen)
	worst, where := 0, image.Point{}
	for i := range want {
		differs := int(want[i]) - int(decoded[i])
		if differs = max(differs, -differs); differs > worst {
			worst, where = differs, image.Pt(i%width, i/width)
		}
	}
	if worst >= 16 {
		t.Errorf("2 s after the last change, pixel %v differs by %d", where, worst)
	}
	t.Logf("%d frames, maximum difference %d at %v", report.Frames, worst, where)
}
