package guactest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"strings"
	"sync"
)

// hugePNG returns a PNG header that declares a picture of 100,000 × 100,000 pixels.
func hugePNG() string {
	b := []byte("\x89PNG\r\n\x1a\n")
	body := append([]byte("IHDR"), 0, 1, 0x86, 0xA0, 0, 1, 0x86, 0xA0, 8, 6, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 13)
	b = append(b, body...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	return base64.StdEncoding.EncodeToString(b)
}

// bomb returns a PNG of a few kilobytes that decodes to w×h pixels.
func bomb(w, h int) string {
	var b bytes.Buffer
	_ = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h)))
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// drawn adds an image in base64.
func drawn(s *Script, mimetype, data string) *Script {
	s.Add("img", 1, 14, 0, mimetype, 0, 0)
	for at := 0; at < len(data); at += 8000 {
		s.Add("blob", 1, data[at:min(at+8000, len(data))])
	}
	return s.Add("end", 1)
}

// damaged returns a [bomb] whose last bytes are wrong.
func damaged(w, h int) string {
	data, _ := base64.StdEncoding.DecodeString(bomb(w, h))
	data[len(data)-20] ^= 1
	return base64.StdEncoding.EncodeToString(data)
}

// blank returns a lossless WebP of one colour, 8192 pixels wide.
func blank(h int) string {
	const w = 8192
	var bits []byte
	n := 0
	put := func(value, width int) { // lowest bit first
		for i := range width {
			if n%8 == 0 {
				bits = append(bits, 0)
			}
			bits[n/8] |= byte(value>>i&1) << (n % 8)
			n++
		}
	}
	put(0x2F, 8)
	put(w-1, 14)
	put(h-1, 14)
	put(0, 1+3+1+1+1)                                         // no alpha, version 0; no transform, no colour cache, no more codes
	for _, symbol := range []int{0x50, 0x90, 0xD0, 0xFF, 0} { // green, red, blue, alpha, distance: one symbol each
		put(1, 1) // a simple code
		put(0, 1) // of one symbol
		put(1, 1) // of eight bits
		put(symbol, 8)
	}
	if len(bits)%2 == 1 {
		bits = append(bits, 0)
	}
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	b = append(b, "WEBPVP8L"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(bits)))
	b = append(b, bits...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return base64.StdEncoding.EncodeToString(b)
}

var red = color.RGBA{255, 0, 0, 255}

// Hostile returns recordings by name that ask for too much. Each draws one pixel
// that must nevertheless be visible.
func Hostile() map[string]func() string {
	bomb := sync.OnceValue(func() string { return bomb(4096, 4096) })
	many := func(n int, line func(s *Script, i int)) func() string {
		return func() string {
			s := Screen(8, 8).Box(0, 0, 0, 1, 1, red, 14)
			for i := range n {
				line(s, i)
			}
			return s.Add("sync", 1).String()
		}
	}
	return map[string]func() string{
		"a gigantic display": many(1, func(s *Script, _ int) { s.Add("size", 0, 1<<30, 1<<30) }),
		"gigantic layers":    many(2000, func(s *Script, i int) { s.Add("size", i+1, 8192, 8192).Box(i+1, 0, 0, 8, 8, red, 14) }),
		"gigantic buffers":   many(2000, func(s *Script, i int) { s.Box(-i-1, 0, 0, 8192, 8192, red, 14) }),
		"a million layers":   many(200_000, func(s *Script, i int) { s.Add("move", i+1, 0, 0, 0, 0) }),
		"layers in a circle": many(3, func(s *Script, i int) { s.Add("move", i+1, (i+1)%3+1, 0, 0, 0).Box(i+1, 0, 0, 4, 4, red, 14) }),
		"a deep tower":       many(4000, func(s *Script, i int) { s.Add("move", i+2, i+1, 0, 0, 0) }),
		"open streams":       many(100_000, func(s *Script, i int) { s.Add("img", i, 14, 0, "image/png", 0, 0) }),
		"an endless stream": many(1, func(s *Script, _ int) {
			s.Add("img", 1, 14, 0, "image/png", 0, 0)
			blob := strings.Repeat("AAAA", 2000)
			for range 20_000 {
				s.Add("blob", 1, blob)
			}
		}),
		"pictures that lie about their size": many(100, func(s *Script, i int) {
			s.Add("img", i, 14, 0, "image/png", 0, 0).Add("blob", i, hugePNG()).Add("end", i)
		}),
		"decompression bombs": many(12, func(s *Script, i int) {
			s.Add("img", i, 14, 0, "image/png", 0, 0).Add("blob", i, bomb()).Add("end", i)
		}),
		"images that end too early": many(500, func(s *Script, i int) {
			s.Add("img", i, 14, 0, "image/png", 0, 0).Add("blob", i, bomb()[:400]).Add("end", i)
		}),
		"invalid base64": many(100_000, func(s *Script, i int) {
			s.Add("img", i%9, 14, 0, "image/png", 0, 0).Add("blob", i%9, "A===!").Add("end", i%9).Add("png", 14, 0, 0, 0, "=")
		}),
		"saved clips": many(250, func(s *Script, i int) {
			s.Add("size", 1, 4000, 4000).Add("push", 1).Add("arc", 1, 2000, 2000, 9000-i, 0, 7, 0).Add("clip", 1)
		}),
		"faded layers on each other": many(4000, func(s *Script, i int) {
			s.Add("size", i+2, 64, 64).Add("move", i+2, i+1, 0, 0, 0).Add("shade", i+2, 250)
		}),
		"distorted layers on each other": many(200, func(s *Script, i int) {
			s.Add("size", i+2, 256, 256).Add("move", i+2, i+1, 0, 0, 0).Add("distort", i+2, 99, 1, 1, 99, 0, 0)
		}),
		"transformed again and again": many(20_000, func(s *Script, i int) {
			s.Add("transform", 0, 1e9, 3, -3, 1e9, 7, 7).Box(0, 0, 0, 5, 5, red, 0xA).Add("lfill", 14, 0, 0).Add("copy", 0, 0, 0, 9, 9, 14, 0, 1, 1)
		}),
		"a path that is stroked again and again": many(300, func(s *Script, i int) {
			s.Add("line", 0, i*7919%9999, i*104729%9999).Add("cstroke", 10, 0, 1, 2, 5000, 1, 2, 3, 4).Add("close", 0)
		}),
		"negative and overflowing numbers": many(1, func(s *Script, _ int) {
			s.Add("copy", 0, -1<<40, -1<<40, "9223372036854775807", "99999999999999999999", 14, 0, "-9223372036854775808", 1<<40).
				Add("rect", 0, "1e308", "-1e308", "NaN", "Inf").Add("cfill", 14, 0, -5, 999, 3, 255).
				Add("arc", 0, 1e9, 1e9, 1e12, 0, 1e300, 0).Add("cstroke", 14, 0, 9, -3, 1e12, 1, 2, 3, 4).
				Add("transform", 0, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300).Box(0, 0, 0, 5, 5, red, 14).Add("shade", 1, -7)
		}),
		"endless nesting": many(50, func(s *Script, _ int) {
			inner := "4.sync,1.1;"
			for range 20 {
				inner = fmt.Sprintf("4.nest,1.0,%d.%s;", len(inner), inner)
			}
			s.WriteString(inner)
		}),
		"a nested instruction in many pieces": many(1, func(s *Script, _ int) {
			s.Add("nest", 1, "1000000."+strings.Repeat("x", 900_000))
			s.WriteString(strings.Repeat(new(Script).Add("nest", 1, "x").String(), 90_000))
		}),
		"damaged pictures on a large display": many(3, func(s *Script, i int) {
			drawn(s.Add("size", 0, 8192, 2048).Add("sync", 100*i+2), "image/png", damaged(8192, 2048)).Add("sync", 100*i+99)
		}),
		"saved states": many(300_000, func(s *Script, _ int) { s.Add("push", 0) }),
		"a long path":  many(300_000, func(s *Script, i int) { s.Add("line", 0, i, i%7) }),
		"a gigantic cursor": many(1, func(s *Script, _ int) {
			s.Add("cursor", 0, 0, 0, 0, 0, 1<<20, 1<<20).Add("mouse", 1, 1)
		}),
	}
}

// Tiny returns recordings of one to two hundred bytes, when compressed, that ask
// for as much as they can.
func Tiny() map[string]string {
	all := map[string]string{}
	large := func() *Script { // shown, so that the encoder also allocates its memory
		return Screen(8192, 2048).Add("rect", 0, 0, 0, 9999, 9999).Add("cfill", 14, 0, 9, 9, 9, 255).Add("sync", 1)
	}
	picture := func(s *Script) *Script { return drawn(s, "image/webp", blank(2048)) }
	for name, s := range map[string]*Script{
		"the largest display":                 Screen(8192, 2048).Add("rect", 0, 0, 0, 9, 9).Add("cfill", 14, 0, 9, 9, 9, 9),
		"filled":                              Screen(8192, 2048).Add("arc", 0, 9, 9, 9999, 0, 7, 0).Add("cfill", 14, 0, 9, 9, 9, 9),
		"filled by a pattern":                 Screen(8192, 2048).Add("rect", 0, 0, 0, 9999, 9999).Add("lfill", 14, 0, 0),
		"stroked":                             Screen(8192, 2048).Add("curve", 0, 0, 0, 99, 9, 9999, 9999).Add("cstroke", 4, 0, 1, 2, 999),
		"clipped":                             Screen(8192, 2048).Add("arc", 0, 9, 9, 9999, 0, 7, 0).Add("clip", 0).Add("cfill", 12, 0),
		"distorted":                           Screen(8192, 2048).Add("distort", 0, 2, 1, 1, 2, 0, 0),
		"copied onto itself":                  Screen(8192, 2048).Add("copy", 0, 0, 0, 9999, 9999, 14, 0, 1, 1),
		"transferred":                         Screen(8192, 2048).Add("transfer", 0, 0, 0, 9999, 9999, 6, 0, 1, 1),
		"faded":                               Screen(8192, 2048).Add("size", 1, 64, 64).Add("shade", 0, 9),
		"a large buffer":                      Screen(64, 64).Add("rect", -1, 0, 0, 8192, 2048).Add("cfill", 14, -1, 9, 9, 9, 9),
		"a long idle time":                    Screen(64, 64).Add("sync", 0).Add("sync", 86400000).Add("sync", 172800000).Add("sync", 1<<60),
		"a large picture":                     Screen(8192, 2048).Add("img", 1, 14, 0, "image/webp", 0, 0).Add("blob", 1, blank(2048)).Add("end", 1),
		"a large picture on what is shown":    picture(large()).Add("sync", 99),
		"pictures on what is shown":           picture(picture(large()).Add("sync", 99)).Add("sync", 199),
		"copied onto itself when shown":       large().Add("copy", 0, 0, 0, 9999, 9999, 14, 0, 1, 1).Add("sync", 99),
		"transferred when shown":              large().Add("transfer", 0, 0, 0, 9999, 9999, 6, 0, 1, 1).Add("sync", 99),
		"distorted when shown":                large().Add("distort", 0, 2, 1, 1, 2, 0, 0).Add("sync", 99),
		"patterned by itself when shown":      large().Add("transform", 0, 1, 1, -1, 1, 3, 3).Add("lfill", 14, 0, 0).Add("sync", 99),
		"clipped when shown":                  large().Add("arc", 0, 9, 9, 9999, 0, 7, 0).Add("clip", 0).Add("cfill", 12, 0).Add("sync", 99),
		"resized when shown":                  large().Add("size", 0, 8000, 2048).Add("sync", 99),
		"a turned copy when shown":            large().Add("transform", 0, 1, 1, -1, 1, 3, 3).Add("copy", 0, 0, 0, 9999, 9999, 14, 0, 1, 1).Add("sync", 99),
		"a progressive picture":               drawn(large(), "image/jpeg", scans(4096, 2160, 1)).Add("sync", 99),
		"a long idle time of a large display": Screen(8192, 2048).Add("rect", 0, 0, 0, 9, 9).Add("cfill", 14, 0, 9, 9, 9, 9).Add("sync", 1).Add("sync", 86400000),
	} {
		if !strings.Contains(s.String(), "4.sync") {
			s.Add("sync", 1)
		}
		all[name] = s.String()
	}
	return all
}

// Large returns recordings of a few bytes with the largest allowed screen, which
// ask for everything that it allows.
func Large() map[string]string {
	all := map[string]string{}
	large := func() *Script {
		return Screen(8192, 8192).Add("rect", 0, 0, 0, 9999, 9999).Add("cfill", 14, 0, 9, 9, 9, 255).Add("sync", 1)
	}
	for name, s := range map[string]*Script{
		"shown":                  large(),
		"a picture":              drawn(large(), "image/webp", blank(8192)),
		"pictures":               drawn(drawn(large(), "image/webp", blank(8192)).Add("sync", 99), "image/webp", blank(8192)),
		"resized":                large().Add("size", 0, 8128, 8192).Add("sync", 99).Add("size", 0, 8192, 8128),
		"copied onto itself":     large().Add("copy", 0, 0, 0, 9999, 9999, 14, 0, 1, 1),
		"a turned copy":          large().Add("transform", 0, 1, 1, -1, 1, 3, 3).Add("copy", 0, 0, 0, 9999, 9999, 14, 0, 1, 1),
		"patterned by itself":    large().Add("transform", 0, 1, 1, -1, 1, 3, 3).Add("rect", 0, 0, 0, 999, 999).Add("lfill", 14, 0, 0),
		"transferred":            large().Add("transfer", 0, 0, 0, 9999, 9999, 6, 0, 1, 1),
		"distorted":              large().Add("distort", 0, 2, 1, 1, 2, 0, 0),
		"clipped":                large().Add("arc", 0, 9, 9, 9999, 0, 7, 0).Add("clip", 0).Add("push", 0).Add("rect", 0, 0, 0, 999, 999).Add("cfill", 12, 0, 9, 9, 9, 9),
		"and buffers":            large().Add("rect", -1, 0, 0, 8192, 2048).Add("cfill", 14, -1, 9, 9, 9, 9).Add("rect", -2, 0, 0, 8192, 8192),
		"faded layers":           large().Add("size", 1, 4096, 4096).Add("shade", 1, 99).Add("shade", 0, 99),
		"the longest of screens": Screen(16384, 4096).Add("rect", 0, 0, 0, 9, 9).Add("cfill", 14, 0, 9, 9, 9, 9).Add("size", 0, 4096, 16384),
	} {
		all[name] = s.Add("sync", 199).String()
	}
	return all
}
