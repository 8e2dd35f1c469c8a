package guac

import (
	"bytes"
	"compress/gzip"
	"context"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bundled = "../../testdata/recordings/"

// openBundled reads a bundled recording's files in order.
func openBundled(t testing.TB, pattern string) []Part {
	t.Helper()
	files, err := filepath.Glob(bundled + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	var parts []Part
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, dumpPart(t, plain))
	}
	return parts
}

func dumpPart(t testing.TB, plain []byte) Part {
	t.Helper()
	s, err := Scan(bytes.NewReader(plain), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return Part{Summary: s, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(plain)), nil }}
}

// shot is a frame kept by a test.
type shot struct {
	at     time.Duration
	img    *image.RGBA
	damage []image.Rectangle
}

// album is a sink that keeps frames and sound.
type album struct {
	pictures bool // keep the pictures, not only their times
	shots    []shot
	sound    []AudioChunk
	err      error
}

func (a *album) Frame(f Frame) error {
	s := shot{at: f.Time, damage: append([]image.Rectangle(nil), f.Damage...)}
	if a.pictures {
		s.img = image.NewRGBA(f.Image.Rect)
		copy(s.img.Pix, f.Image.Pix)
	}
	a.shots = append(a.shots, s)
	return a.err
}

func (a *album) Audio(c AudioChunk) error { a.sound = append(a.sound, c); return nil }

func (a *album) times() []time.Duration {
	var times []time.Duration
	for _, s := range a.shots {
		times = append(times, s.at)
	}
	return times
}

func savePNG(t testing.TB, path string, img image.Image) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

func TestBundledRecordingsPlay(t *testing.T) {
	for _, tc := range []struct {
		pattern       string
		width, height int
		atLeast       time.Duration
	}{
		{"tiny/v3/*/*.gz", 1024, 768, 25 * time.Second},
		{"tiny/v4/*/*/*.gz", 1024, 768, 25 * time.Second},
		{"tiny_main/v4/*/*/*.gz", 1024, 768, 20 * time.Second},
		{"tiny_jpeg/v3/*/*.gz", 1024, 768, 20 * time.Second},
		{"static_main/v4/*/*/*.gz", 1280, 720, 60 * time.Second},
		{"resize/v3/*/*.gz", 1600, 1000, 60 * time.Second},
		{"vnc_resize/v4/*/*/*.gz", 1600, 1200, 35 * time.Second},
		{"guacd_rec/v3/*/*.gz", 1280, 800, 40 * time.Second},
		{"multipart/v4/*/*/*.gz", 1280, 800, 15 * time.Second},
	} {
		t.Run(strings.ReplaceAll(tc.pattern, "/", "_"), func(t *testing.T) {
			parts := openBundled(t, tc.pattern)
			a := &album{}
			var last *image.RGBA
			keep := sinkFunc(func(f Frame) error { last = f.Image; return a.Frame(f) })
			stats, err := Play(context.Background(), parts, Options{}, keep, nil)
			if err != nil {
				t.Fatal(err)
			}
			if last.Rect.Dx() != tc.width || last.Rect.Dy() != tc.height || stats.Duration < tc.atLeast {
				t.Errorf("%v, %s", last.Rect, stats.Duration)
			}
			if len(stats.Warnings) > 0 {
				t.Errorf("warnings: %v", stats.Warnings)
			}
			previous := time.Duration(-1)
			for _, at := range a.times() {
				if at <= previous || at > stats.Duration || at-max(previous, 0) > 11*time.Second {
					t.Fatalf("frame at %s after %s of %s", at, previous, stats.Duration)
				}
				previous = at
			}
			if dir := os.Getenv("GUAC_TEST_PNG"); dir != "" {
				savePNG(t, filepath.Join(dir, strings.Map(func(r rune) rune {
					if r == '/' || r == '*' {
						return '_'
					}
					return r
				}, tc.pattern)+".png"), last)
			}
			t.Logf("%d frames, %s, unknown %v", stats.Frames, stats.Duration, parts[0].Summary.Unknown)
		})
	}
}

type sinkFunc func(Frame) error

func (f sinkFunc) Frame(fr Frame) error     { return f(fr) }
func (f sinkFunc) Audio(c AudioChunk) error { return nil }

func BenchmarkPlay(b *testing.B) {
	for name, pattern := range map[string]string{"tiny": "tiny/v3/*/*.gz", "multipart": "multipart/v4/*/*/*.gz"} {
		parts := openBundled(b, pattern)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Play(context.Background(), parts, Options{}, sinkFunc(func(Frame) error { return nil }), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
