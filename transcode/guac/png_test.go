package guac

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
)

// filteredPNG writes a PNG with rows of random filters and in many small chunks.
func filteredPNG(r *rand.Rand, kind, depth uint8, width, height int, palette, alpha []byte) []byte {
	channels := map[uint8]int{2: 3, 3: 1, 6: 4}[kind]
	n := (width*channels*int(depth) + 7) / 8
	var raw bytes.Buffer
	z := zlib.NewWriter(&raw)
	row, above := make([]byte, n), make([]byte, n)
	for range height {
		for i := range row { // partly repetitive and smooth, so that every filter depends on its neighbours
			row[i] = above[i] + uint8(r.IntN(7)*r.IntN(2)*r.IntN(40))
			if kind == 3 && len(palette) < 768 {
				row[i] = uint8(r.IntN(256))
			}
			if kind == 6 && i%4 == 3 && r.IntN(4) > 0 {
				row[i] = 255
			}
		}
		filter := uint8(r.IntN(5))
		out := []byte{filter}
		for i, v := range row {
			var a, b, c int
			if b = int(above[i]); i >= channels {
				a, c = int(row[i-channels]), int(above[i-channels])
			}
			out = append(out, v-[]uint8{0, uint8(a), uint8(b), uint8((a + b) / 2), nearest(a, b, c)}[filter])
		}
		_, _ = z.Write(out)
		copy(above, row)
	}
	_ = z.Close()
	var file bytes.Buffer
	file.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, body []byte) {
		_ = binary.Write(&file, binary.BigEndian, uint32(len(body)))
		whole := append([]byte(kind), body...)
		file.Write(whole)
		_ = binary.Write(&file, binary.BigEndian, crc32.ChecksumIEEE(whole))
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(height))
	chunk("IHDR", append(header, depth, kind, 0, 0, 0))
	if palette != nil {
		chunk("PLTE", palette)
	}
	if alpha != nil {
		chunk("tRNS", alpha)
	}
	chunk("tEXt", []byte("Comment\x00none"))
	for raw.Len() > 0 {
		chunk("IDAT", raw.Next(1+r.IntN(200)))
	}
	chunk("IEND", nil)
	return file.Bytes()
}

// nearest is the Paeth predictor as defined by the standard.
func nearest(a, b, c int) uint8 {
	abs := func(v int) int { return max(v, -v) }
	p := a + b - c
	switch pa, pb, pc := abs(p-a), abs(p-b), abs(p-c); {
	case pa <= pb && pa <= pc:
		return uint8(a)
	case pb <= pc:
		return uint8(b)
	}
	return uint8(c)
}

// samePNG decodes with this build's decoder and with image/png, and compares.
func samePNG(t *testing.T, data []byte) (fast bool) {
	t.Helper()
	a, aerr := decodePNG(data, newImage)
	b, berr := decodePNGInGo(data, newImage)
	if (aerr == nil) != (berr == nil) {
		t.Fatalf("%v, and in Go %v", aerr, berr)
	}
	if aerr != nil {
		return false
	}
	if a.opaque != b.opaque || a.img.Rect != b.img.Rect || !bytes.Equal(a.img.Pix, b.img.Pix) {
		for i := range min(len(a.img.Pix), len(b.img.Pix)) {
			if a.img.Pix[i] != b.img.Pix[i] {
				t.Fatalf("%v, opaque %v, and in Go %v, %v; byte %d is %d and %d", a.img.Rect, a.opaque, b.img.Rect, b.opaque, i, a.img.Pix[i], b.img.Pix[i])
			}
		}
		t.Fatalf("%v, %d bytes, opaque %v, and in Go %v, %d, %v", a.img.Rect, len(a.img.Pix), a.opaque, b.img.Rect, len(b.img.Pix), b.opaque)
	}
	_, fast = decodePNGFast(data, newImage)
	return fast
}

func TestBothPNGDecodersAgree(t *testing.T) {
	if _, fast := decodePNGFast(filteredPNG(rand.New(rand.NewPCG(1, 1)), 2, 8, 3, 3, nil, nil), newImage); !fast {
		t.Skip("this build has the one in Go only")
	}
	r := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = uint8(r.IntN(256))
		}
		return b
	}
	for range 150 {
		width, height := 1+r.IntN(70), 1+r.IntN(40)
		if r.IntN(10) == 0 {
			width, height = 1+r.IntN(2), 1+r.IntN(900)
		}
		depth := []uint8{1, 2, 4, 8}[r.IntN(4)]
		colours := 1 << depth
		for name, data := range map[string][]byte{
			"colours":             filteredPNG(r, 2, 8, width, height, nil, nil),
			"with alpha":          filteredPNG(r, 6, 8, width, height, nil, nil),
			"palette":             filteredPNG(r, 3, depth, width, height, random(3*colours), nil),
			"transparent palette": filteredPNG(r, 3, depth, width, height, random(3*colours), random(1+r.IntN(colours))),
		} {
			if !samePNG(t, data) {
				t.Fatalf("%s, %d×%d, depth %d: not decoded in the fast way", name, width, height, depth)
			}
		}
	}
}

// TestDamagedPNGs checks that the fast decoder never accepts what image/png
// refuses.
func TestDamagedPNGs(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for range 1500 {
		data := filteredPNG(r, []uint8{2, 3, 6}[r.IntN(3)], 8, 1+r.IntN(20), 1+r.IntN(20), make([]byte, 30), nil)
		switch r.IntN(3) {
		case 0:
			data = data[:r.IntN(len(data))]
		case 1:
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		default: // damage that the checksums do not reveal
			data[8+8+r.IntN(13)] ^= 1 << r.IntN(8)
			binary.BigEndian.PutUint32(data[8+8+13:], crc32.ChecksumIEEE(data[12:8+8+13]))
			if w, h, err := imageSize("image/png", data, DefaultLimits); err != nil || w*h > 1<<20 {
				continue // too large to be decoded
			}
		}
		if _, err := decodePNG(data, newImage); err != nil {
			refused++
		}
		samePNG(t, data)
	}
	if refused < 250 {
		t.Errorf("only %d were refused", refused)
	}
}

// TestMisplacedPNGChunks: chunks that are intact, but not where they belong.
func TestMisplacedPNGChunks(t *testing.T) {
	data := filteredPNG(rand.New(rand.NewPCG(7, 8)), 3, 8, 9, 9, make([]byte, 30), []byte{1, 2, 3})
	var chunks [][]byte
	for rest := data[8:]; len(rest) > 0; {
		n := 12 + int(binary.BigEndian.Uint32(rest))
		chunks, rest = append(chunks, rest[:n]), rest[n:]
	}
	refused := 0
	for from := range chunks {
		for to := range chunks {
			for _, copied := range []bool{false, true} {
				moved := slices.Clone(chunks)
				if !copied {
					moved = slices.Delete(moved, from, from+1)
				}
				moved = slices.Insert(moved, min(to, len(moved)), chunks[from])
				file := append(data[:8:8], bytes.Join(moved, nil)...)
				if _, _, err := imageSize("image/png", file, DefaultLimits); err != nil {
					continue
				}
				samePNG(t, file)
				if _, err := decodePNGInGo(file, newImage); err != nil {
					refused++
				}
			}
			without := slices.Delete(slices.Clone(chunks), from, from+1)
			if from > 0 {
				samePNG(t, append(data[:8:8], bytes.Join(without, nil)...))
			}
		}
	}
	if refused < 5 {
		t.Errorf("only %d were refused", refused)
	}
}
