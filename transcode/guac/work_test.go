package guac

import (
	"bytes"
	"errors"
	"image"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

// TestCostlyRecordingsAreRefused: recordings of some kilobytes that ask for hours
// of work are aborted when they reach the limit, which here is a tenth of the real
// one.
func TestCostlyRecordingsAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("what is bounded is time, which the race detector takes for itself")
	}
	const allowed = workBase / 10
	for name, text := range guactest.Costly() {
		t.Run(name, func(t *testing.T) {
			p := part(t, text())
			before := processTime(t)
			stats, err := playWithin(t.Context(), func(image.Point, time.Duration, int64) int64 { return allowed },
				[]Part{p}, Options{}, sinkFunc(func(Frame) error { return nil }), nil)
			took := processTime(t) - before
			t.Logf("%d kB: %.1f of %.1f, %s of CPU, %d frames", p.Summary.Bytes>>10, float64(stats.Work)/1e9, allowed/1e9, took, stats.Frames)
			if !errors.Is(err, ErrTooCostly) {
				t.Errorf("got %v", err)
			}
			if took > slowest*time.Second {
				t.Errorf("it took %s of CPU", took)
			}
		})
	}
}

func processTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestWhatIsAllowedIsInProportion: neither a large display nor a long time allows
// much work if only a few bytes claim it.
func TestWhatIsAllowedIsInProportion(t *testing.T) {
	large := image.Pt(8192, 2048)
	for _, tc := range []struct {
		name   string
		canvas image.Point
		length time.Duration
		stored int64
		limit  time.Duration // if a unit took a nanosecond
	}{
		{"170 bytes that claim two weeks", large, 14 * 24 * time.Hour, 170, 11 * time.Second},
		{"3 kB that claim two weeks", large, 14 * 24 * time.Hour, 3200, 14 * time.Second},
		{"1 MB that claims two weeks", large, 14 * 24 * time.Hour, 1 << 20, 20 * time.Minute},
		{"a gigabyte on a small screen, in no time", image.Pt(64, 64), 0, 1 << 30, 11 * time.Second},
	} {
		if got := allowance(tc.canvas, tc.length, tc.stored); got > int64(tc.limit) || got < workBase {
			t.Errorf("%s: %s", tc.name, time.Duration(got))
		}
	}
}

// TestRealRecordingsAreFarFromTooCostly: they need at most a twentieth of the
// allowed work.
func TestRealRecordingsAreFarFromTooCostly(t *testing.T) {
	folders, err := filepath.Glob(bundled + "*/v[34]/*")
	if err != nil || len(folders) < 8 {
		t.Fatalf("%v, %v", folders, err)
	}
	for _, folder := range folders {
		pattern := strings.TrimPrefix(folder, bundled) + "/*.gz"
		if strings.Contains(folder, "/v4/") {
			pattern = strings.TrimPrefix(folder, bundled) + "/*/*.part.gz"
		}
		stats, err := Play(t.Context(), openBundled(t, pattern), Options{Stored: storedSize(t, pattern)}, sinkFunc(func(Frame) error { return nil }), nil)
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		t.Logf("%-24s %5.2f of %6.1f: 1/%d", pattern[:strings.Index(pattern, "/")], float64(stats.Work)/1e9, float64(stats.Allowed)/1e9, stats.Allowed/stats.Work)
		if stats.Work > stats.Allowed/20 {
			t.Errorf("%s: %d of %d", pattern, stats.Work, stats.Allowed)
		}
	}
}

// TestADrawerThatTakesTooLongIsStopped: costs that are not counted are detected by
// the CPU time of drawing.
func TestADrawerThatTakesTooLongIsStopped(t *testing.T) {
	s := screen(64, 64)
	for range 300_000 {
		s.add("copy", 0, 0, 0, 64, 64, 14, 0, 1, 1)
	}
	work := &meter{limit: 10_000_000} // the display does not use it: its work is not counted
	p := &painter{
		opt: Options{}.withDefaults(nil, 0), meter: work, display: newDisplay(DefaultLimits, unlimited()), bad: map[string]int{},
		view: newView(image.Pt(64, 64), image.Pt(64, 64)), sink: sinkFunc(func(Frame) error { return nil }),
	}
	b := &batch{}
	parser := NewParser(strings.NewReader(s.String()))
	for {
		in, err := parser.Next()
		if err != nil {
			break
		}
		o, _ := readOp(in)
		b.ops = append(b.ops, o)
	}
	batches := make(chan *batch, 1)
	batches <- b
	close(batches)
	if err := p.run(t.Context(), batches); !errors.Is(err, ErrTooCostly) || work.over() {
		t.Errorf("got %v after %d units", err, work.done.Load())
	}
}

// TestALayerIsCopiedOntoItselfAsThroughAnother, in any direction, also if it is too
// large to be copied at once.
func TestALayerIsCopiedOntoItselfAsThroughAnother(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		code, function := opCopy, []int{14, 12, 10, 11, 15}[r.IntN(5)]
		if r.IntN(3) == 0 {
			code, function = opTransfer, r.IntN(16)
		}
		within := func(n int) int { return r.IntN(2*n) - n }
		o := op{code: code, i: [9]int{0, within(200), within(200), 2000, 1400, function, 0, within(300), within(300)}}
		one, two := noisy(r), newDisplay(DefaultLimits, unlimited())
		two.do(&op{code: opSize, i: [9]int{0, 1400, 900}})
		copy(two.layers[0].img.Pix, one.layers[0].img.Pix)
		two.do(&op{code: opSize, i: [9]int{-1, 1400, 900}})
		copy(two.layers[-1].img.Pix, one.layers[0].img.Pix)
		one.do(&o)
		o.i[0] = -1
		two.do(&o)
		if !bytes.Equal(one.layers[0].img.Pix, two.layers[0].img.Pix) {
			t.Fatalf("%v", o)
		}
	}
}

// noisy returns a display, large enough for several strips, on which all pixels
// differ.
func noisy(r *rand.Rand) *display {
	d := newDisplay(DefaultLimits, unlimited())
	d.do(&op{code: opSize, i: [9]int{0, 1400, 900}})
	pix := d.layers[0].img.Pix
	for i := 0; i < len(pix); i += 4 {
		a := r.IntN(256)
		pix[i], pix[i+1], pix[i+2], pix[i+3] = uint8(r.IntN(a+1)), uint8(r.IntN(a+1)), uint8(r.IntN(a+1)), uint8(a)
	}
	return d
}

// storedSize returns the size of the files.
func storedSize(t *testing.T, pattern string) (size int64) {
	t.Helper()
	files, err := filepath.Glob(bundled + pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}
