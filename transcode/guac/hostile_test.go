package guac

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"
)

// hugePNG is a PNG header that promises a picture of 100,000 × 100,000 pixels.
func hugePNG() string {
	b := []byte("\x89PNG\r\n\x1a\n")
	body := append([]byte("IHDR"), 0, 1, 0x86, 0xA0, 0, 1, 0x86, 0xA0, 8, 6, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 13)
	b = append(b, body...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	return base64.StdEncoding.EncodeToString(b)
}

// bomb is a PNG of a few kilobytes that decodes to w×h pixels.
func bomb(w, h int) string {
	var b bytes.Buffer
	_ = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h)))
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// TestHostileInputIsBounded plays recordings that ask for too much.
func TestHostileInputIsBounded(t *testing.T) {
	bomb := sync.OnceValue(func() string { return bomb(4096, 4096) })
	many := func(n int, line func(s *script, i int)) string {
		s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver)
		for i := range n {
			line(s, i)
		}
		return s.add("sync", 1).String()
	}
	for name, text := range map[string]string{
		"a gigantic display": many(1, func(s *script, _ int) { s.add("size", 0, 1<<30, 1<<30) }),
		"gigantic layers":    many(2000, func(s *script, i int) { s.add("size", i+1, 8192, 8192).box(i+1, 0, 0, 8, 8, red, MaskOver) }),
		"gigantic buffers":   many(2000, func(s *script, i int) { s.box(-i-1, 0, 0, 8192, 8192, red, MaskOver) }),
		"a million layers":   many(200_000, func(s *script, i int) { s.add("move", i+1, 0, 0, 0, 0) }),
		"layers in a circle": many(3, func(s *script, i int) { s.add("move", i+1, (i+1)%3+1, 0, 0, 0).box(i+1, 0, 0, 4, 4, red, MaskOver) }),
		"a deep tower":       many(4000, func(s *script, i int) { s.add("move", i+2, i+1, 0, 0, 0) }),
		"open streams":       many(100_000, func(s *script, i int) { s.add("img", i, 14, 0, "image/png", 0, 0) }),
		"an endless stream": many(1, func(s *script, _ int) {
			s.add("img", 1, 14, 0, "image/png", 0, 0)
			blob := strings.Repeat("AAAA", 2000)
			for range 20_000 {
				s.add("blob", 1, blob)
			}
		}),
		"pictures that lie about their size": many(100, func(s *script, i int) {
			s.add("img", i, 14, 0, "image/png", 0, 0).add("blob", i, hugePNG()).add("end", i)
		}),
		"decompression bombs": many(12, func(s *script, i int) {
			s.add("img", i, 14, 0, "image/png", 0, 0).add("blob", i, bomb()).add("end", i)
		}),
		"images that end too early": many(500, func(s *script, i int) {
			s.add("img", i, 14, 0, "image/png", 0, 0).add("blob", i, bomb()[:400]).add("end", i)
		}),
		"invalid base64": many(100_000, func(s *script, i int) {
			s.add("img", i%9, 14, 0, "image/png", 0, 0).add("blob", i%9, "A===!").add("end", i%9).add("png", 14, 0, 0, 0, "=")
		}),
		"saved clips": many(250, func(s *script, i int) {
			s.add("size", 1, 4000, 4000).add("push", 1).add("arc", 1, 2000, 2000, 9000-i, 0, 7, 0).add("clip", 1)
		}),
		"faded layers on each other": many(4000, func(s *script, i int) {
			s.add("size", i+2, 64, 64).add("move", i+2, i+1, 0, 0, 0).add("shade", i+2, 250)
		}),
		"distorted layers on each other": many(200, func(s *script, i int) {
			s.add("size", i+2, 256, 256).add("move", i+2, i+1, 0, 0, 0).add("distort", i+2, 99, 1, 1, 99, 0, 0)
		}),
		"transformed again and again": many(20_000, func(s *script, i int) {
			s.add("transform", 0, 1e9, 3, -3, 1e9, 7, 7).box(0, 0, 0, 5, 5, red, MaskXor).add("lfill", 14, 0, 0).add("copy", 0, 0, 0, 9, 9, 14, 0, 1, 1)
		}),
		"a path that is stroked again and again": many(300, func(s *script, i int) {
			s.add("line", 0, i*7919%9999, i*104729%9999).add("cstroke", 10, 0, 1, 2, 5000, 1, 2, 3, 4).add("close", 0)
		}),
		"negative and overflowing numbers": many(1, func(s *script, _ int) {
			s.add("copy", 0, -1<<40, -1<<40, "9223372036854775807", "99999999999999999999", 14, 0, "-9223372036854775808", 1<<40).
				add("rect", 0, "1e308", "-1e308", "NaN", "Inf").add("cfill", 14, 0, -5, 999, 3, 255).
				add("arc", 0, 1e9, 1e9, 1e12, 0, 1e300, 0).add("cstroke", 14, 0, 9, -3, 1e12, 1, 2, 3, 4).
				add("transform", 0, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300).box(0, 0, 0, 5, 5, red, MaskOver).add("shade", 1, -7)
		}),
		"endless nesting": many(50, func(s *script, _ int) {
			inner := "4.sync,1.1;"
			for range 20 {
				inner = fmt.Sprintf("4.nest,1.0,%d.%s;", len(inner), inner)
			}
			s.WriteString(inner)
		}),
		"saved states": many(300_000, func(s *script, _ int) { s.add("push", 0) }),
		"a long path":  many(300_000, func(s *script, i int) { s.add("line", 0, i, i%7) }),
		"a gigantic cursor": many(1, func(s *script, _ int) {
			s.add("cursor", 0, 0, 0, 0, 0, 1<<20, 1<<20).add("mouse", 1, 1)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := playHostile(t, text, Options{Width: 64, Height: 64}); err != nil {
				t.Error(err)
			}
		})
	}
}

// playHostile plays a recording and fails when that takes more than 300 MB or
// a minute.
func playHostile(t *testing.T, text string, opt Options) error {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(30)) // as the agent does
	p := part(t, text)
	runtime.GC()
	began, before, peak := time.Now(), heap(), uint64(0)
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
	grown, took := (int64(peak)-int64(before))>>20, time.Since(began)
	t.Logf("%d MB, %s", grown, took.Round(time.Millisecond))
	if grown > 300 {
		t.Errorf("%d MB", grown)
	}
	if took > time.Minute {
		t.Errorf("%s", took)
	}
	return err
}

// heap is what the process has taken for objects, dead ones included, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() + sample[1].Value.Uint64()
}

// TestAHundredBytesAreBounded plays tiny recordings in the size that they ask
// for.
func TestAHundredBytesAreBounded(t *testing.T) {
	for name, s := range map[string]*script{
		"the largest display": screen(8192, 2048).add("rect", 0, 0, 0, 9, 9).add("cfill", 14, 0, 9, 9, 9, 9),
		"filled":              screen(8192, 2048).add("arc", 0, 9, 9, 9999, 0, 7, 0).add("cfill", 14, 0, 9, 9, 9, 9),
		"filled by a pattern": screen(8192, 2048).add("rect", 0, 0, 0, 9999, 9999).add("lfill", 14, 0, 0),
		"stroked":             screen(8192, 2048).add("curve", 0, 0, 0, 99, 9, 9999, 9999).add("cstroke", 4, 0, 1, 2, 999),
		"clipped":             screen(8192, 2048).add("arc", 0, 9, 9, 9999, 0, 7, 0).add("clip", 0).add("cfill", 12, 0),
		"distorted":           screen(8192, 2048).add("distort", 0, 2, 1, 1, 2, 0, 0),
		"copied onto itself":  screen(8192, 2048).add("copy", 0, 0, 0, 9999, 9999, 14, 0, 1, 1),
		"transferred":         screen(8192, 2048).add("transfer", 0, 0, 0, 9999, 9999, 6, 0, 1, 1),
		"faded":               screen(8192, 2048).add("size", 1, 64, 64).add("shade", 0, 9),
		"a large buffer":      screen(64, 64).add("rect", -1, 0, 0, 8192, 2048).add("cfill", 14, -1, 9, 9, 9, 9),
		"a long idle time":    screen(64, 64).add("sync", 0).add("sync", 86400000).add("sync", 172800000).add("sync", 1<<60),
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(s.String(), "4.sync") {
				s.add("sync", 1)
			}
			if len(s.String()) > 120 {
				t.Fatalf("%d bytes", len(s.String()))
			}
			if err := playHostile(t, s.String(), Options{}); err != nil && !errors.Is(err, ErrNothingDrawn) {
				t.Error(err)
			}
		})
	}
}

// TestADisplayBeyondTheLimitsIsNotBelieved: a size that is refused while
// drawing must not make the canvas gigantic either.
func TestADisplayBeyondTheLimitsIsNotBelieved(t *testing.T) {
	s, err := Scan(strings.NewReader(screen(100_000, 100_000).add("size", 0, 64, 64).add("sync", 1).String()), Limits{})
	if err != nil || s.Width != 64 || s.Height != 64 {
		t.Errorf("%d×%d, %v", s.Width, s.Height, err)
	}
}

// TestRepetitionsAreBounded: a still display is repeated every 10 s, but not
// so often that some bytes cost minutes.
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
