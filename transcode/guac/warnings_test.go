package guac

import (
	"slices"
	"testing"
)

// TestWhatMayBeMissingIsTold: what cannot be drawn causes one warning per kind,
// with its count; what draws nothing causes none.
func TestWhatMayBeMissingIsTold(t *testing.T) {
	s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver)
	for range 3 {
		s.add("hologram", 1, 2, 3)
		s.add("img", 1, 14, 0, "image/avif", 0, 0).add("blob", 1, "AAAA").add("end", 1)
	}
	s.add("sparkle", 0)
	s.add("img", 2, 14, 0, "image/png", 0, 0).add("blob", 2, "AAAA").add("end", 2)
	s.add("img", 3, 14, 0, "image/png", 0, 0).add("blob", 3, "!!!!").add("end", 3)
	s.add("png", 14, 0, 0, 0, "?")
	s.add("rect", 0, 0, 0, 1, 1).add("cfill", 3, 0, 1, 1, 1, 255)
	s.add("transfer", 0, 0, 0, 1, 1, 99, 0, 0, 0)
	s.add("video", 4, 0, "video/mp4").add("audio", 5, "audio/ogg")
	s.add("nop").add("name", "x").add("key", 65, 1, 5).add("touch", 1).add("clipboard", 6, "text/plain").add("blob", 6, "QQ==").add("end", 6)
	s.add("set", 0, "multi-touch", 1).add("log", "x").add("msg", 1).add("ack", 1, "", 0).add("end", 99).add("blob", 99, "AAAA")
	s.add("nest", 0, "5.flash,1.0;")
	s.add("img", 7, 14, 0, "image/png", 0, 0).add("blob", 7, "AAAA").add("clipboard", 7, "text/plain").add("end", 7)
	s.add("sync", 1)
	_, stats := play(t, Options{}, s.String())
	want := []string{
		"skipped blob with invalid base64 (1 times)",
		`skipped image type "image/avif" (3 times)`,
		"skipped image whose stream another one took over before its end (1 times)",
		"skipped image with invalid base64 (1 times)",
		"skipped image/png: unexpected EOF (1 times)",
		`skipped opcode "flash" (1 times)`,
		`skipped opcode "hologram" (3 times)`,
		`skipped opcode "sparkle" (1 times)`,
		`skipped sound of type "audio/ogg" (1 times)`,
		"skipped the unknown channel mask 3 (1 times)",
		"skipped the unknown transfer function 99 (1 times)",
		`skipped video of type "video/mp4" (1 times)`,
	}
	got := slices.Sorted(slices.Values(stats.Warnings))
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestKindsOfTroubleAreBounded: a recording cannot fill the result with warnings.
func TestKindsOfTroubleAreBounded(t *testing.T) {
	s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver)
	for i := range 5000 {
		s.add("x"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), 0)
		s.add("size", 1, 9000+i, 9000)
	}
	_, stats := play(t, Options{}, s.add("sync", 1).String())
	if n := len(stats.Warnings); n > 2*(maxKinds+1) || n < maxKinds {
		t.Errorf("%d warnings", n)
	}
	if !slices.ContainsFunc(stats.Warnings, func(w string) bool { return w == "skipped other things (4900 times)" }) {
		t.Errorf("what was not told apart is missing: %q", stats.Warnings[maxKinds:])
	}
}

// TestPatternStrokesAreStrokes: a stroke with a pattern of one colour is a stroke
// of that colour. The reference player does not support lstroke.
func TestPatternStrokesAreStrokes(t *testing.T) {
	lines := func() *script {
		s := screen(64, 64).box(-1, 0, 0, 64, 64, green, MaskOver)
		return s.add("start", 0, 5, 5).add("line", 0, 50, 20).add("curve", 0, 60, 40, 20, 70, 10, 30)
	}
	want := final(t, lines().add("cstroke", 14, 0, 1, 2, 6, 0, 255, 0, 255))
	got := final(t, lines().add("lstroke", 14, 0, 1, 2, 6, -1))
	if err := (comparison{kind: "exact"}).check(got, want); err != nil {
		t.Error(err)
	}
	if want.RGBAAt(5, 5) != green {
		t.Error("nothing was drawn")
	}
}

// TestARecordingThatSaysMuchMayHaveMorePixels: buffers of the size of two displays
// of 4K are refused to a recording of a few bytes, but allowed to one of megabytes.
func TestARecordingThatSaysMuchMayHaveMorePixels(t *testing.T) {
	for bytes, want := range map[int64]bool{100: false, 8 << 20: true, 1 << 40: true} {
		d := newDisplay(DefaultLimits.granted(bytes), unlimited())
		for index := range 3 {
			d.do(&op{code: opSize, i: [9]int{-index, 7680, 2160}})
		}
		if fits := len(d.problems) == 0; fits != want {
			t.Errorf("after %d bytes: %v", bytes, d.problems)
		}
	}
}
