package render

import (
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
)

// TestLargeScreensFitPlayers: a screen that is larger than players support, from
// the beginning or in the middle of a session, is scaled down, with one warning.
func TestLargeScreensFitPlayers(t *testing.T) {
	for _, tc := range []struct{ first, then, want image.Point }{
		{image.Pt(640, 480), image.Pt(9600, 1080), image.Pt(4096, 460)},
		{image.Pt(6016, 3384), image.Pt(6016, 3384), image.Pt(4096, 2304)},
		{image.Pt(1080, 5120), image.Pt(1080, 5120), image.Pt(864, 4096)},
		{image.Pt(1440, 2560), image.Pt(1440, 2560), image.Pt(1440, 2560)},
		{image.Pt(4096, 2304), image.Pt(800, 600), image.Pt(4096, 2304)},
	} {
		t.Run(fmt.Sprint(tc.then), func(t *testing.T) {
			s := &script{}
			s.size(tc.first.X, tc.first.Y)
			s.grey(200, 0, 0, tc.first.X, tc.first.Y)
			s.sync(0)
			s.sync(1000)
			s.size(tc.then.X, tc.then.Y)
			s.grey(90, 0, 0, tc.then.X, tc.then.Y)
			s.grey(250, tc.then.X/2, 0, tc.then.X/2, tc.then.Y)
			s.sync(2000)
			s.sync(4000)
			v, plan := made(t, parts(t, s.b.String()), Options{})
			if v.Width != tc.want.X || v.Height != tc.want.Y {
				t.Errorf("%d×%d, want %v", v.Width, v.Height, tc.want)
			}
			width, height := plan.Size()
			notices := 0
			for _, w := range v.Warnings {
				if strings.Contains(w, "VIDEO_MAX_SIZE") {
					notices++
				}
			}
			if scaled := width != tc.want.X || height != tc.want.Y; scaled != (notices == 1) || len(v.Warnings) != notices || len(v.Missing) > 0 {
				t.Errorf("warnings %q, missing %q", v.Warnings, v.Missing)
			}
			out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=level", "-of", "csv=p=0", v.Path).Output()
			if level := strings.TrimSpace(string(out)); err != nil || len(level) != 2 || level > "51" {
				t.Errorf("level %q, %v", level, err)
			}
			frames := decoded(t, v)
			f := func(n, of, all int) int { return n * of / all }
			last := frames[len(frames)-1]
			left := last.pix[f(tc.then.Y/2, v.Height, height)*v.Width+f(tc.then.X/4, v.Width, width)]
			right := last.pix[f(tc.then.Y/2, v.Height, height)*v.Width+f(3*tc.then.X/4, v.Width, width)]
			if left < 85 || left > 101 || right < 225 || right > 237 {
				t.Errorf("the last frame has %d and %d", left, right)
			}
		})
	}
}

// TestMaxSizeIsAChoice: another maximum than the default.
func TestMaxSizeIsAChoice(t *testing.T) {
	s := &script{}
	s.size(1920, 1080)
	s.grey(200, 0, 0, 1920, 1080)
	s.sync(0)
	s.sync(1000)
	v, _ := made(t, parts(t, s.b.String()), Options{MaxSize: image.Pt(720, 1280)})
	if v.Width != 1280 || v.Height != 720 || len(v.Warnings) != 1 {
		t.Errorf("%d×%d, %q", v.Width, v.Height, v.Warnings)
	}
}

// TestScreensThatCannotBeDrawnAreTold: a screen that exceeds all limits is missing,
// with a warning. If there is no other screen, it is an error that names it.
func TestScreensThatCannotBeDrawnAreTold(t *testing.T) {
	s := &script{}
	s.size(20000, 20000)
	s.grey(200, 0, 0, 640, 480)
	s.sync(0)
	alone := s.b.String()
	plan, err := Scan(t.Context(), parts(t, alone), ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var screen *guac.ScreenError
	if _, err = plan.Encode(t.Context(), filepath.Join(t.TempDir(), "x.mp4"), Options{Tool: ffmpegTool(t), FPS: 15, CRF: 29}, nil); !errors.As(err, &screen) || screen.Width != 20000 {
		t.Errorf("alone: %v", err)
	}
	s.size(640, 480)
	s.grey(200, 0, 0, 640, 480)
	s.sync(1000)
	v, _ := made(t, parts(t, s.b.String()), Options{})
	if !strings.Contains(strings.Join(v.Missing, "\n"), "20000×20000") {
		t.Errorf("missing %q", v.Missing)
	}
	p := &Plan{limits: guac.DefaultLimits.Within(0)}
	if err := p.refuse(image.Pt(7680, 4320)); !errors.As(err, &screen) || len(p.Missing) > 0 {
		t.Errorf("without memory: %v, %q", err, p.Missing)
	}
}

func TestFit(t *testing.T) {
	for size, want := range map[image.Point]image.Point{
		{1920, 1080}: {1920, 1080}, {4096, 2304}: {4096, 2304}, {2304, 4096}: {2304, 4096}, {4098, 2}: {4096, 2}, {16384, 2}: {4096, 2},
		{8192, 8192}: {2304, 2304}, {16384, 4096}: {4096, 1024}, {7680, 2160}: {4096, 1152},
	} {
		if got := fit(size, DefaultMaxSize); got != want {
			t.Errorf("%v: %v, want %v", size, got, want)
		}
	}
}

// TestMemoryOfControlGroups: the strictest group decides, and the page cache counts
// as free.
func TestMemoryOfControlGroups(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("two", "0::/a/b\n")
	put("cgroup/a/memory.max", "1000\n")
	put("cgroup/a/memory.current", "700\n")
	put("cgroup/a/memory.stat", "anon 1\ninactive_file 200\n")
	put("cgroup/a/b/memory.max", "max\n")
	put("cgroup/a/b/memory.high", "900\n")
	put("cgroup/a/b/memory.current", "300\n")
	put("one", "5:cpu,cpuacct:/\n4:memory:/c\n")
	put("cgroup/memory/c/memory.limit_in_bytes", "5000\n")
	put("cgroup/memory/c/memory.usage_in_bytes", "6000\n")
	put("cgroup/memory/c/memory.stat", "total_inactive_file 1500\n")
	for groups, want := range map[string]uint64{"two": 500, "one": 500, "none": math.MaxUint64} {
		if got := groupMemory(filepath.Join(dir, groups), filepath.Join(dir, "cgroup")); got != want {
			t.Errorf("%s: %d, want %d", groups, got, want)
		}
	}
	if free := freeMemory(); free == 0 || free > 1<<50 {
		t.Errorf("%d bytes free", free)
	}
}
