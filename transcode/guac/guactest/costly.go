package guactest

import (
	"bytes"
	"encoding/base64"
	"image/color"
	"strings"
)

// Costly returns recordings by name. Each has a few kilobytes when compressed and
// asks for hours of work.
func Costly() map[string]func() string {
	all := map[string]func() string{}
	// repeat writes the same again and again, so that the compressed size is tiny.
	repeat := func(name string, n int, first, again *Script) {
		all[name] = func() string {
			return Screen(8192, 2048).String() + first.String() + strings.Repeat(again.String(), n) + new(Script).Add("sync", 1).Add("sync", 60_000).String()
		}
	}
	script := func() *Script { return new(Script) }
	colour := func(mask int) []any { return []any{mask, 0, 9, 9, 9, 99} }
	arc := script().Add("arc", 0, 99, 99, 9999, 0, 7, 0)
	repeat("copied", 20_000, script(), script().Add("copy", 0, 0, 0, 9999, 9999, 14, 0, 1, 1))
	repeat("copied to a buffer", 20_000, script().Add("size", 0, 4000, 2000), script().Add("copy", 0, 0, 0, 9999, 9999, 12, -1, 0, 0))
	repeat("transferred", 20_000, script(), script().Add("transfer", 0, 0, 0, 9999, 9999, 6, 0, 1, 1))
	repeat("mixed", 20_000, script(), script().Add("copy", 0, 0, 0, 9999, 9999, 10, 0, 1, 1))
	repeat("filled", 20_000, arc, script().Add("cfill", colour(14)...))
	repeat("filled everywhere", 20_000, script().Add("rect", 0, 0, 0, 1, 1), script().Add("cfill", colour(12)...))
	repeat("filled by a box", 20_000, script().Add("rect", 0, 0, 0, 9999, 9999), script().Add("cfill", colour(14)...))
	repeat("filled by a pattern", 20_000, script().Add("rect", 0, 0, 0, 9999, 9999), script().Add("lfill", 14, 0, 0))
	repeat("filled by a turned pattern", 20_000, script().Add("transform", 0, 1, 1, -1, 1, 3, 3).Add("rect", 0, -9999, -9999, 19999, 19999), script().Add("lfill", 14, 0, 0))
	repeat("stroked", 20_000, arc, script().Add("cstroke", 14, 0, 1, 2, 4000, 9, 9, 9, 99))
	repeat("clipped", 20_000, arc, script().Add("clip", 0))
	repeat("turned pictures", 20_000, script().Add("size", 0, 4000, 2000).Add("size", -1, 2000, 2000).Add("transform", 0, 9, 1, -1, 9, 3, 3), script().Add("copy", -1, 0, 0, 2000, 2000, 14, 0, 0, 0))
	repeat("resized", 20_000, script(), script().Add("size", 0, 8000, 2000).Add("size", 0, 8192, 2048))
	repeat("a cursor", 200_000, script(), script().Add("cursor", 0, 0, 0, 0, 0, 1024, 1024))
	repeat("layers that come and go", 200_000, script().Add("size", 0, 64, 64), script().Add("size", 9, 4000, 4000).Add("dispose", 9))
	repeat("a path of many curves", 20_000, curves(60_000), script().Add("cfill", colour(14)...))
	repeat("a path of many lines, stroked", 20_000, lines(60_000), script().Add("cstroke", 14, 0, 1, 2, 1, 9, 9, 9, 99))

	// Each of these is shown again and again.
	shown := func(name string, n int, first *Script, again func(s *Script, i int)) {
		all[name] = func() string {
			s := Screen(8192, 2048)
			s.WriteString(first.String())
			for i := range n {
				again(s, i)
				s.Add("sync", 1+100*i)
			}
			return s.String()
		}
	}
	blink := func(s *Script, i int) { s.Box(0, 0, 0, 8192, 2048, color.RGBA{uint8(255 * (i & 1)), 9, 9, 255}, 14) }
	shown("a screen that blinks", 50_000, script(), blink)
	shown("layers on each other", 5000, tower(3000, func(s *Script, i int) { s.Add("shade", i, 99) }), blink)
	shown("faded and distorted layers in turn", 500, turns(12), blink)
	shown("a distorted layer", 5000, script().Add("distort", 0, 2, 1, 1, 2, 0, 0), blink)

	all["silence"] = func() string {
		s := Screen(64, 64).Box(0, 0, 0, 9, 9, red, 14).Add("sync", 1)
		for day := range 13 {
			s.Add("audio", 1, "audio/L16;rate=48000,channels=2").Add("blob", 1, "AQABAAEAAQA=").Add("sync", 1+day*86_000_000)
		}
		return s.String()
	}
	all["scans of a picture"] = func() string {
		picture := scans(2048, 2048, 20_000)
		s := Screen(2048, 2048)
		for range 20 {
			s.Add("img", 1, 14, 0, "image/jpeg", 0, 0)
			for at := 0; at < len(picture); at += 8000 {
				s.Add("blob", 1, picture[at:min(at+8000, len(picture))])
			}
			s.Add("end", 1)
		}
		return s.Add("sync", 1).String()
	}
	all["pictures"] = func() string {
		text := bomb(4096, 4096)
		s := Screen(64, 64)
		for range 2000 {
			s.Add("img", 1, 14, -1, "image/png", 0, 0)
			for at := 0; at < len(text); at += 8000 {
				s.Add("blob", 1, text[at:min(at+8000, len(text))])
			}
			s.Add("end", 1)
		}
		return s.Add("sync", 1).String()
	}
	return all
}

func curves(n int) *Script {
	s := new(Script)
	for i := range n {
		s.Add("curve", 0, i%8192, 0, 8192-i%8192, 2048, i%2048, i%2048)
	}
	return s
}

func lines(n int) *Script {
	s := new(Script)
	for i := range n {
		s.Add("line", 0, i%2*8192, i%3*2048)
	}
	return s
}

// tower returns layers each of which is on the previous one.
func tower(n int, each func(s *Script, i int)) *Script {
	s := new(Script)
	for i := range n {
		s.Add("size", i+1, 64, 64).Add("move", i+1, i, 0, 0, 0)
		each(s, i+1)
	}
	return s
}

// turns returns a tower of layers that are large enough to be drawn in several
// strips. Each distorted layer is drawn again for each strip of the faded one under
// it.
func turns(n int) *Script {
	s := Screen(1024, 1024)
	for i := range n {
		s.Add("size", i+1, 1024, 1024).Add("move", i+1, i, 0, 0, 0).Box(i+1, 0, 0, 1024, 1024, red, 14)
		if i%2 == 0 {
			s.Add("shade", i+1, 250)
		} else {
			s.Add("distort", i+1, 1, 0, 0, 1, 0, 1)
		}
	}
	return s
}

// scans returns a progressive JPEG of one colour with n scans, each of which says
// in a few bytes that no pixel changes.
func scans(w, h, n int) string {
	b := []byte{0xFF, 0xD8}
	segment := func(marker byte, body ...byte) {
		b = append(b, 0xFF, marker, byte((len(body)+2)>>8), byte(len(body)+2))
		b = append(b, body...)
	}
	segment(0xDB, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...) // quantisation tables
	segment(0xC2, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)
	segment(0xC4, append(append([]byte{0x10, 1}, make([]byte, 15)...), 0xE0)...) // code 0: the end of 16384 blocks and of up to 14 more bits
	var run []byte
	var last, used byte
	bit := func(v byte) {
		last |= v << (7 - used)
		if used++; used == 8 {
			if run = append(run, last); last == 0xFF {
				run = append(run, 0)
			}
			last, used = 0, 0
		}
	}
	for blocks := (w + 7) / 8 * ((h + 7) / 8); blocks > 0; blocks -= 1<<15 - 1 {
		bit(0)
		for range 14 {
			bit(1)
		}
	}
	for used > 0 {
		bit(1)
	}
	for range n {
		segment(0xDA, 1, 1, 0, 1, 63, 0)
		b = append(b, run...)
	}
	return base64.StdEncoding.EncodeToString(append(b, 0xFF, 0xD9))
}
