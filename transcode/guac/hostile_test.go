package guac

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime"
	"strings"
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

// TestHostileInputIsBounded plays recordings that ask for too much.
func TestHostileInputIsBounded(t *testing.T) {
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
			p := part(t, text)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			peak := uint64(0)
			_, err := Play(t.Context(), []Part{p}, Options{Width: 64, Height: 64}, sinkFunc(func(Frame) error {
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc)
				return nil
			}), nil)
			if err != nil {
				t.Fatal(err)
			}
			if grown := int64(peak) - int64(before.HeapAlloc); grown > 300<<20 {
				t.Errorf("%d MB", grown>>20)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("%s", took)
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
