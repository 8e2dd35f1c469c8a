package guac

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestDumpsAsTheyAreFound: what tools and tunnels add to a dump changes nothing.
func TestDumpsAsTheyAreFound(t *testing.T) {
	const tunnel = "0.,36.0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f;"
	plain := screen(8, 8).box(0, 0, 0, 8, 8, red, MaskOver).add("sync", 1).box(0, 0, 0, 4, 4, blue, MaskOver).add("sync", 1000).String()
	want, _ := play(t, Options{}, plain)
	each := func(after string) string { return strings.ReplaceAll(plain, ";", ";"+after) }
	for name, text := range map[string]string{
		"a line each":               each("\n"),
		"a line each, of Windows":   each("\r\n"),
		"a line end first":          "\r\n\n" + plain,
		"a byte order mark":         "\ufeff" + plain,
		"mark and line end":         "\ufeff\r\n" + plain,
		"marks between":             each("\ufeff"),
		"blanks after instructions": each(" "),
		"blanks before lengths":     strings.ReplaceAll(each("\t"), ",", ", \v\f"),
		"blanks at the end":         plain + " \r\n\ufeff ",
		"the tunnel's first":        tunnel + plain,
		"the tunnel's, often":       each(tunnel),
		"the tunnel's ping":         each("0.,4.ping,13.1700000000000;"),
	} {
		s, err := Scan(strings.NewReader(text), Limits{})
		if err != nil || s.Truncated || s.Broken != nil || len(s.Unknown) > 0 || s.Bytes != int64(len(text)) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		got, stats := play(t, Options{}, text)
		if len(stats.Warnings) > 0 || fmt.Sprint(got.times()) != fmt.Sprint(want.times()) || !equalPixels(got, want) {
			t.Errorf("%s: %v, frames at %v", name, stats.Warnings, got.times())
		}
	}
}

func equalPixels(a, b *album) bool {
	if len(a.shots) != len(b.shots) {
		return false
	}
	for i := range a.shots {
		if !bytes.Equal(a.shots[i].img.Pix, b.shots[i].img.Pix) {
			return false
		}
	}
	return true
}

// TestLengthsInEitherUnit: code points, as guacd counts, or UTF-16 code units, as
// players before 1.5.2 did. A dump uses one of them from beginning to end.
func TestLengthsInEitherUnit(t *testing.T) {
	points := func(s string) int { return len([]rune(s)) }
	utf16 := func(s string) (n int) {
		for _, r := range s {
			n++
			if r > 0xffff {
				n++
			}
		}
		return n
	}
	names := []string{"😀", "a😀b", "😀😀😀", "会话😀", "会话", "😀,", "x;😀;", "🎉🎉5.", ""}
	for what, length := range map[string]func(string) int{"code points": points, "UTF-16": utf16} {
		for first := range names { // the first name decides the unit
			text, want := "", ""
			for _, name := range append(names[first:], "😀") { // one at the very end
				text += fmt.Sprintf("4.name,%d.%s;", length(name), name)
				want += fmt.Sprintf("name[%q]\n", name)
			}
			whole, err := elements(NewParser(strings.NewReader(text)))
			if whole != want || !errors.Is(err, io.EOF) {
				t.Errorf("%s from %q: %v\n%s\nwant\n%s", what, names[first], err, whole, want)
			}
			pieces, err := elements(NewParser(oneByte{strings.NewReader(text)}))
			if pieces != want || !errors.Is(err, io.EOF) {
				t.Errorf("%s from %q, byte by byte: %v\n%s", what, names[first], err, pieces)
			}
		}
	}
	if got, err := elements(NewParser(strings.NewReader("4.name,3.a😀b;4.name,2.😀;"))); errors.Is(err, io.EOF) {
		t.Errorf("mixed: %s", got)
	}
}

// TestWhatIsNoInstructionEndsADump: what precedes it is played, and the recording's
// hash covers all bytes.
func TestWhatIsNoInstructionEndsADump(t *testing.T) {
	good := screen(8, 8).box(0, 0, 0, 8, 8, red, MaskOver).add("sync", 1).add("sync", 500).String()
	want, _ := play(t, Options{}, good)
	for name, tail := range map[string]string{
		"text":              "oops",
		"zeros":             strings.Repeat("\x00", 300_000),
		"an older dump":     "QmFzZTY0;3.end,1.1;" + strings.Repeat("4.sync,4.9999;", 50_000),
		"half a stream":     "rQUFB,2.14;",
		"too large":         "99999999999.x",
		"too many":          "4.size" + strings.Repeat(",1.0", 2000) + ";",
		"another protocol":  "\x1f\x8b\x08",
		"text in an opcode": "4sync,1.1;",
	} {
		s, err := Scan(strings.NewReader(good+tail), Limits{})
		if err != nil || s.Broken == nil || s.Broken.Offset < int64(len(good)) || s.Syncs != 2 || s.Bytes != int64(len(good)+len(tail)) ||
			s.SHA256 != sha256.Sum256([]byte(good+tail)) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		got, stats := play(t, Options{}, good+tail)
		if len(stats.Warnings) > 0 || !equalPixels(got, want) {
			t.Errorf("%s: %v, frames at %v", name, stats.Warnings, got.times())
		}
	}
	s, _ := Scan(strings.NewReader(good+"\x00\x00"), Limits{})
	if got := s.Broken.Error(); !strings.Contains(got, "found zero bytes, as after a power failure") {
		t.Error(got)
	}
}

func BenchmarkScan(b *testing.B) {
	s := screen(64, 64)
	for i := range 2000 {
		s.add("mouse", i%64, i%64, 0, i)
		s.add("img", 1, 14, 0, "image/png", 0, 0)
		for range 8 {
			s.add("blob", 1, strings.Repeat("QUJD", 1000))
		}
		s.add("end", 1)
		s.add("sync", i)
	}
	text := s.String()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Scan(strings.NewReader(text), Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
