package guac

import (
	"bytes"
	"compress/gzip"
	"errors"
	"image"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

// TestHostileInputIsBounded plays recordings that ask for too much.
func TestHostileInputIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("what is bounded is memory and time, which the race detector takes for itself")
	}
	for name, text := range guactest.Hostile() {
		t.Run(name, func(t *testing.T) {
			if err := playHostile(t, text(), Options{Width: 64, Height: 64}, 300); err != nil {
				t.Error(err)
			}
		})
	}
}

// playHostile plays a recording. It fails if that takes more than limit MB or a
// minute of CPU time, which does not depend on the machine's other load.
func playHostile(t *testing.T, text string, opt Options, limit int64) error {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(30)) // as the agent does
	p := part(t, text)
	runtime.GC()
	began, cpu, before, peak := time.Now(), cpuTime(t), heap(), uint64(0)
	done, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			peak = max(peak, heap())
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	_, err := Play(t.Context(), []Part{p}, opt, sinkFunc(func(Frame) error { return nil }), nil)
	close(done)
	<-sampled
	grown, took := (int64(peak)-int64(before))>>20, cpuTime(t)-cpu
	t.Logf("%d MB, %s of CPU, %s", grown, took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if grown > limit {
		t.Errorf("it took %d MB", grown)
	}
	if took > time.Minute {
		t.Errorf("it took %s of CPU", took)
	}
	return err
}

// cpuTime returns the CPU time of the process. No other test may run while it is
// measured.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// heap returns how much memory the process has allocated for objects, including
// garbage, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() + sample[1].Value.Uint64()
}

// TestAHundredBytesAreBounded plays tiny recordings with the size that they ask
// for.
func TestAHundredBytesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("what is bounded is memory and time, which the race detector takes for itself")
	}
	for name, text := range guactest.Tiny() {
		t.Run(name, func(t *testing.T) {
			if stored := compressed(t, text); stored > 220 {
				t.Fatalf("%d bytes", stored)
			}
			if err := playHostile(t, text, Options{}, 300); err != nil && !errors.Is(err, ErrNothingDrawn) {
				t.Error(err)
			}
		})
	}
}

// TestLargeScreensAreBounded: the largest screen takes the memory that it may take,
// and further requests take no more.
func TestLargeScreensAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("what is bounded is memory and time, which the race detector takes for itself")
	}
	for name, text := range guactest.Large() {
		t.Run(name, func(t *testing.T) {
			limit := int64(DefaultLimits.MaxScreen*BytesPerPixel) >> 20
			if err := playHostile(t, text, Options{Scaled: image.Pt(2304, 2304)}, limit); err != nil && !errors.Is(err, ErrNothingDrawn) {
				t.Error(err)
			}
		})
	}
}

func compressed(t *testing.T, text string) int {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write([]byte(text))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

// TestADisplayBeyondTheLimitsIsNotBelieved: a size that is refused while drawing
// must not enlarge the canvas either.
func TestADisplayBeyondTheLimitsIsNotBelieved(t *testing.T) {
	s, err := Scan(strings.NewReader(screen(100_000, 100_000).add("size", 0, 64, 64).add("sync", 1).String()), Limits{})
	if err != nil || s.Width != 64 || s.Height != 64 {
		t.Errorf("%d×%d, %v", s.Width, s.Height, err)
	}
}

// TestRepetitionsAreBounded: a still display is repeated every 10 s, but not so
// often that a few bytes cost minutes.
func TestRepetitionsAreBounded(t *testing.T) {
	for _, tc := range []struct {
		w, h, hours int
		every       time.Duration
	}{{1920, 1080, 24, 10 * time.Second}, {8192, 2048, 1, 10 * time.Second}, {8192, 2048, 24, 80 * time.Second}, {1920, 1080, 240, 99 * time.Second}} {
		s := screen(tc.w, tc.h).box(0, 0, 0, 1, 1, red, MaskOver)
		for hour := range tc.hours + 1 {
			s.add("sync", hour*3600_000)
		}
		a := &album{}
		stats, err := Play(t.Context(), []Part{part(t, s.String())}, Options{}, a, nil)
		if err != nil {
			t.Fatal(err)
		}
		times := a.times()
		if gap := times[2] - times[1]; gap < tc.every || gap > tc.every+tc.every/10 {
			t.Errorf("%d×%d for %d hours: repeated every %s, want %s", tc.w, tc.h, tc.hours, gap, tc.every)
		}
		if pixels := float64(stats.Frames-2) * float64(tc.w*tc.h); pixels > maxRepeated*1.01 {
			t.Errorf("%d×%d for %d hours: %d frames", tc.w, tc.h, tc.hours, stats.Frames)
		}
	}
}
