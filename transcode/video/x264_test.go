package video

import (
	"errors"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shade returns a picture that differs a little from the one before everywhere, so
// that x264 encodes all of them.
func shade(opt Options, i int) *image.RGBA {
	img := scene(opt.Width, opt.Height, i%2)
	for at := range img.Pix {
		if at%4 != 3 {
			img.Pix[at] -= uint8(i % 2 * (at / 64 % 8))
		}
	}
	return img
}

// encodeShades encodes n pictures with x264, each of them at a time.
func encodeShades(t *testing.T, opt Options, n int, at func(i int) time.Duration) Report {
	t.Helper()
	e, err := findTool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := range n {
		img := shade(opt, i)
		if err := e.AddFrame(at(i), img, []image.Rectangle{img.Rect}); err != nil {
			t.Fatal(err)
		}
	}
	e.SetDuration(at(n-1) + opt.slot())
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestShortPicturesCostLess checks that x264 spends fewer bits on pictures that do not
// stay, and no more on those that stay for longer than maxStay. They are too few for a
// film.
func TestShortPicturesCostLess(t *testing.T) {
	t.Parallel()
	size := func(each time.Duration) int64 {
		return encodeShades(t, options(t), 7, func(i int) time.Duration { return time.Duration(i) * each }).Bytes
	}
	short, long, longer := size(minStay), size(maxStay), size(4*maxStay)
	if short > long*5/6 {
		t.Errorf("%d bytes with pictures of %s, %d with pictures of %s", short, minStay, long, maxStay)
	}
	if difference := longer - long; difference > long/20 || -difference > long/20 {
		t.Errorf("%d bytes with pictures of %s, %d with longer ones", long, maxStay, longer)
	}
}

// keyframes returns the times of a video's keyframes.
func keyframes(t *testing.T, path string) (times []time.Duration) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if at, flags, _ := strings.Cut(strings.TrimSpace(line), ","); strings.HasPrefix(flags, "K") {
			d, err := time.ParseDuration(at + "s")
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, d)
		}
	}
	return times
}

// deblocked returns the number of a video's pictures that have a deblocking filter.
func deblocked(t *testing.T, path string) int {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-i", path, "-map", "0:v:0", "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	fields := regexp.MustCompile(`disable_deblocking_filter_idc.* = (\d)`).FindAllSubmatch(out, -1)
	if len(fields) == 0 {
		t.Fatal("no slice has disable_deblocking_filter_idc")
	}
	n := 0
	for _, f := range fields {
		if f[1][0] == '0' {
			n++
		}
	}
	return n
}

// TestKeyframes checks that there is a keyframe where a film begins or ends, after
// maxGroupPictures pictures of x264, and every two minutes of a recording that changes.
// There must be no other. Films have a deblocking filter.
func TestKeyframes(t *testing.T) {
	t.Parallel()
	const short = time.Second / 15
	for _, tt := range []struct {
		name  string
		times func(i int) time.Duration
		n     int
		want  []int // keyframes
		film  int   // pictures
	}{
		{"by time", func(i int) time.Duration { return time.Duration(i) * (7*time.Second + 3*time.Millisecond) }, 60, []int{0, 18, 36, 54}, 0},
		{"film, by number", func(i int) time.Duration { return time.Duration(i) * short }, maxGroupPictures + 20, []int{0, maxGroupPictures}, maxGroupPictures + 20},
		{"film between screens", func(i int) time.Duration {
			switch {
			case i < 3:
				return time.Duration(i) * time.Second
			case i < 33:
				return 3*time.Second + time.Duration(i-3)*short
			default:
				return 10*time.Second + time.Duration(i-33)*time.Second
			}
		}, 40, []int{0, 3, 33}, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opt := options(t)
			report := encodeShades(t, opt, tt.n, tt.times)
			if err := findTool(t).Verify(t.Context(), opt.Output, report); err != nil {
				t.Error(err)
			}
			var want []time.Duration
			for _, i := range tt.want {
				want = append(want, tt.times(i).Truncate(time.Millisecond))
			}
			if have := keyframes(t, opt.Output); !slices.Equal(have, want) {
				t.Errorf("keyframes at %v, want %v", have, want)
			}
			if n := deblocked(t, opt.Output); n != tt.film {
				t.Errorf("%d pictures have a deblocking filter, want %d", n, tt.film)
			}
		})
	}
}

// TestNothingRemainsOfAMovedWindow moves a window with text over a desktop with text,
// so fast that x264 encodes all frames. Two seconds later, plain places must be plain,
// also beside text.
func TestNothingRemainsOfAMovedWindow(t *testing.T) {
	t.Parallel()
	opt := options(t)
	opt.Width, opt.Height = 1280, 720
	e, err := findTool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	screen, window := text(opt.Width, opt.Height, color.Gray{50}, color.Gray{210}), text(600, 400, color.Gray{250}, color.Gray{20})
	desktop := image.NewRGBA(screen.Rect)
	draw.Draw(desktop, desktop.Rect, screen, image.Point{}, draw.Src)
	const moves = 20
	for i := range moves {
		draw.Draw(screen, screen.Rect, desktop, image.Point{}, draw.Src)
		draw.Draw(screen, window.Rect.Add(image.Pt(10+31*i, 10+13*i)), window, image.Point{}, draw.Src)
		if err := e.AddFrame(time.Duration(i)*70*time.Millisecond, screen, []image.Rectangle{screen.Rect}); err != nil {
			t.Fatal(err)
		}
	}
	e.SetDuration(moves*70*time.Millisecond + 2*time.Second)
	if _, err := e.Close(); err != nil {
		t.Fatal(err)
	}
	decoded, err := exec.Command(findTool(t).Path, "-v", "error", "-i", opt.Output, "-map", "0:v:0",
		"-vf", "extractplanes=y", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1").Output()
	if err != nil || len(decoded) < opt.Width*opt.Height {
		t.Fatalf("%d bytes, %v", len(decoded), err)
	}
	decoded = decoded[len(decoded)-opt.Width*opt.Height:]
	want := make([]byte, opt.Width*opt.Height)
	Luma(want, screen)
	worst, plain := 0, 0
	for y := 2; y < opt.Height-2; y++ {
		for x := 2; x < opt.Width-2; x++ {
			at := y*opt.Width + x
			if isPlain(want, at, opt.Width) {
				plain++
				worst = max(worst, int(want[at])-int(decoded[at]), int(decoded[at])-int(want[at]))
			}
		}
	}
	if plain < opt.Width*opt.Height/10 || worst >= 16 {
		t.Errorf("plain pixels differ by up to %d; %d pixels are plain", worst, plain)
	}
}

// isPlain reports whether the 5×5 pixels around a pixel are equal to it.
func isPlain(luma []byte, at, stride int) bool {
	for dy := -2; dy <= 2; dy++ {
		for _, v := range luma[at+dy*stride-2 : at+dy*stride+3] {
			if v != luma[at] {
				return false
			}
		}
	}
	return true
}

// text returns a picture with lines of random strokes.
func text(w, h int, paper, ink color.Color) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for y := 4; y < h-12; y += 19 {
		for x := 4; x < w-10; x += 7 {
			if r.IntN(6) == 0 {
				x += 14 // space
			}
			for range 2 {
				dx, dy := r.IntN(4), r.IntN(6)
				draw.Draw(img, image.Rect(x+dx, y+dy, x+dx+1, y+9), image.NewUniform(ink), image.Point{}, draw.Src)
				draw.Draw(img, image.Rect(x, y+dy, x+5, y+dy+1), image.NewUniform(ink), image.Point{}, draw.Src)
			}
		}
	}
	return img
}

// TestOldFFmpegIsUnexpected checks that an ffmpeg whose x264 refuses our first pass is
// reported as such, so that the caller encodes every frame in full.
func TestOldFFmpegIsUnexpected(t *testing.T) {
	t.Parallel()
	found := findTool(t)
	path := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/sh\ncase \"$*\" in *' -pass 2 '*) cat >/dev/null & echo refused >&2; exit 1;; esac\nexec " + found.Path + " \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	opt := options(t)
	e, err := (&Tool{Path: path, Version: found.Version, passthrough: found.passthrough}).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := 0; err == nil && i < 50; i++ {
		img := shade(opt, i)
		err = e.AddFrame(time.Duration(i)*time.Second, img, []image.Rectangle{img.Rect})
	}
	if err == nil {
		_, err = e.Close()
	}
	if !errors.Is(err, ErrUnexpected) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	checkRemoved(t, opt.Output)
}

// TestKilledLaterGroup checks that a failure of the second ffmpeg is reported.
func TestKilledLaterGroup(t *testing.T) {
	t.Parallel()
	opt := options(t)
	e, err := findTool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	x264 := e.track.(*deltaTrack).x264
	pid := func() int {
		x264.mu.Lock()
		defer x264.mu.Unlock()
		return x264.group.ffmpeg.child.cmd.Process.Pid
	}
	first, killed := pid(), 0
	for i := 0; err == nil && i < 100; i++ {
		img := shade(opt, i)
		err = e.AddFrame(time.Duration(i)*10*time.Second, img, []image.Rectangle{img.Rect})
		if second := pid(); second != first && killed == 0 {
			killed = second
			_ = syscall.Kill(killed, syscall.SIGKILL)
		}
	}
	if killed == 0 || err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("killed %d: %v", killed, err)
	}
	checkRemoved(t, opt.Output)
}
