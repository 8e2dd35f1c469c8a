package h264

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
)

// encodeX264 encodes pictures with x264 and options like those of package video.
func encodeX264(t *testing.T, width, height int, pictures []byte, extra string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("needs ffmpeg: ", err)
	}
	cmd := exec.Command(path, "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", width, height), "-i", "pipe:0",
		"-c:v", "libx264", "-profile:v", "high", "-preset", "superfast", "-crf", "27", "-x264-params", "bframes=0:weightp=0:ref=4:8x8dct=0:scenecut=0"+extra,
		"-threads", "1", "-f", "h264", "pipe:1")
	return run(t, cmd, pictures)
}

func run(t *testing.T, cmd *exec.Cmd, in []byte) []byte {
	t.Helper()
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v: %v: %s", cmd, err, errs.String())
	}
	return out
}

// decode returns the pictures that ffmpeg decodes from a stream.
func decode(t *testing.T, stream []byte) []byte {
	return run(t, exec.Command("ffmpeg", "-v", "error", "-xerror", "-err_detect", "+crccheck+bitstream+buffer+explode", "-threads", "1",
		"-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"), stream)
}

// annexB converts packets to a byte stream.
func annexB(config []byte, packets [][]byte) []byte {
	var out []byte
	add := func(nal []byte) { out = append(append(out, 0, 0, 0, 1), nal...) }
	at := 6
	n := int(binary.BigEndian.Uint16(config[at:]))
	add(config[at+2:][:n])
	for at += 2 + n + 1; at < len(config)-4; at += 2 + n {
		n = int(binary.BigEndian.Uint16(config[at:]))
		add(config[at+2:][:n])
	}
	for _, p := range packets {
		add(p[4:])
	}
	return out
}

// nalUnits returns the NAL units of a byte stream.
func nalUnits(t *testing.T, stream []byte) (all [][]byte) {
	t.Helper()
	if err := Split(bytes.NewReader(stream), func(nal []byte) error {
		all = append(all, slices.Clone(nal))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// expectedPicture adds the residual of a delta to a decoded picture.
func expectedPicture(d *DeltaEncoder, decoded, source, reference Picture, changed []Macroblock) []byte {
	out := Picture{decoded.Width, decoded.Height, slices.Clone(decoded.Pix)}
	for _, c := range changed {
		b := residual{qp: d.qpFor(c)}
		if d.computeResidual(&b, source, reference, c.Index) {
			d.writeMacroblock(&bitWriter{}, &b, c.Index, 0)
			d.reconstruct(out, &b, c.Index)
			d.setCoeffCounts(c.Index, nil)
		}
	}
	return out.Pix
}

// noisyPicture returns a picture with vertical stripes and noise.
func noisyPicture(width, height int, r *rand.Rand) Picture {
	p := Picture{width, height, make([]byte, width*height*3/2)}
	for i := range p.Pix {
		p.Pix[i] = uint8(16 + i%width/3&7*20 + r.IntN(8))
	}
	return p
}

// TestDeltasDecodeBitExactly lets ffmpeg decode streams with both kinds of pictures.
// Each delta must decode to the picture before plus our residual, bit for bit. x264's
// pictures must decode as they do without deltas. Some runs of deltas are longer than
// the decoder's picture buffer, and than the range of x264's frame_num.
func TestDeltasDecodeBitExactly(t *testing.T) {
	sizes := [][2]int{{66, 34}, {200, 150}, {320, 240}}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for i, size := range sizes {
		for j, qp := range []int{1, 10, 26, 33, 51} {
			for k, keys := range []string{"", ":keyint=3", ":8x8dct=1"} {
				if i > 0 && (i+j+k)%2 == 0 { // every two values of the three meet
					continue
				}
				t.Run(fmt.Sprintf("%d×%d qp %d%s", size[0], size[1], qp, keys), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(qp), 7))
					width, height := size[0], size[1]
					const x264Count = 7
					var all []byte
					var sources []Picture
					for range x264Count {
						p := noisyPicture(width, height, r)
						sources = append(sources, p)
						all = append(all, p.Pix...)
					}
					plain := encodeX264(t, width, height, all, keys)
					x264Decoded := decode(t, plain)
					frameSize := len(sources[0].Pix)

					d := NewDeltaEncoder(width, height, qp)
					columns, rows := d.GridSize()
					var s Stream
					var packets [][]byte
					var want [][]byte
					n := 0
					for _, nal := range nalUnits(t, plain) {
						packet, key, err := s.AddNAL(nal)
						if err != nil {
							t.Fatal(err)
						}
						if packet == nil {
							continue
						}
						if keys == ":keyint=3" && key != (n%3 == 0) {
							t.Errorf("picture %d: key %v", n, key)
						}
						packets = append(packets, packet)
						decoded := Picture{width, height, x264Decoded[n*frameSize:][:frameSize]}
						want = append(want, decoded.Pix)
						reference := Picture{width, height, slices.Clone(sources[n].Pix)}
						for range []int{0, 1, 40, 3}[n%4] {
							source := Picture{width, height, slices.Clone(reference.Pix)}
							var changed []Macroblock
							for mb := range columns * rows {
								if r.IntN(4) > 0 {
									continue
								}
								changed = append(changed, Macroblock{Index: mb, Fine: r.IntN(3) == 0})
								changeMacroblock(source, mb%columns*16, mb/columns*16, r)
							}
							decoded.Pix = expectedPicture(d, decoded, source, reference, changed)
							delta, ok := d.Encode(source, reference, changed, 1<<20)
							if !ok {
								t.Fatal("the delta is too large")
							}
							want = append(want, decoded.Pix)
							packets = append(packets, s.AddDelta(delta))
							checkError(t, decoded, reference, Picture{width, height, x264Decoded[n*frameSize:][:frameSize]}, sources[n])
						}
						n++
					}
					if profile := s.DecoderConfig()[1]; profile != 100 {
						t.Errorf("profile %d instead of High", profile)
					}
					got := decode(t, annexB(s.DecoderConfig(), packets))
					if len(got) != len(want)*frameSize {
						t.Fatalf("%d pictures instead of %d", len(got)/frameSize, len(want))
					}
					for i := range want {
						if !bytes.Equal(got[i*frameSize:][:frameSize], want[i]) {
							t.Fatalf("picture %d differs from the expected one", i)
						}
					}
				})
			}
		}
	}
}

// checkError checks that the decoded picture differs from reference as x264's picture
// differs from its source, unless a sample was close to its limits.
func checkError(t *testing.T, decoded, reference, picture, source Picture) {
	t.Helper()
	for i, v := range decoded.Pix {
		limits := false
		for _, pix := range []byte{v, reference.Pix[i], picture.Pix[i], source.Pix[i]} {
			limits = limits || pix < 40 || pix > 215
		}
		if !limits && int(v)-int(reference.Pix[i]) != int(picture.Pix[i])-int(source.Pix[i]) {
			// A sample on the way may have been clipped. The error is then smaller,
			// never larger.
			if abs(int32(v)-int32(reference.Pix[i])) > abs(int32(picture.Pix[i])-int32(source.Pix[i])) {
				t.Fatalf("sample %d: reference %d, decoded %d; x264 decoded %d, source %d", i, reference.Pix[i], v, picture.Pix[i], source.Pix[i])
			}
		}
	}
}

// TestTooLargeDeltaChangesNothing checks that the reference stays as it is, and that
// the next delta is coded as if the refused one had not existed.
func TestTooLargeDeltaChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	reference := noisyPicture(96, 64, r)
	source := Picture{96, 64, slices.Clone(reference.Pix)}
	var changed []Macroblock
	for mb := range 24 {
		changed = append(changed, Macroblock{Index: mb, Fine: mb%5 == 0})
		changeMacroblock(source, mb%6*16, mb/6*16, r)
	}
	d, fresh := NewDeltaEncoder(96, 64, 20), NewDeltaEncoder(96, 64, 20)
	before := slices.Clone(reference.Pix)
	if _, ok := d.Encode(source, reference, changed, 100); ok || !bytes.Equal(reference.Pix, before) {
		t.Fatalf("accepted: %v, reference unchanged: %v", ok, bytes.Equal(reference.Pix, before))
	}
	freshReference := Picture{96, 64, slices.Clone(before)}
	have, ok1 := d.Encode(source, reference, changed, 1<<20)
	want, ok2 := fresh.Encode(source, freshReference, changed, 1<<20)
	if !ok1 || !ok2 || have.bitCount != want.bitCount || !bytes.Equal(have.bits, want.bits) || !bytes.Equal(reference.Pix, freshReference.Pix) {
		t.Error("the refused delta changed the state of the encoder")
	}
}

// changeMacroblock changes one macroblock at random.
func changeMacroblock(p Picture, x, y int, r *rand.Rand) {
	n, strength := 1+r.IntN(200), []int{3, 30, 255}[r.IntN(3)]
	for range n {
		px, py := x+r.IntN(16), y+r.IntN(16)
		if px >= p.Width || py >= p.Height {
			continue
		}
		change := func(at int) { p.Pix[at] = uint8(min(max(int(p.Pix[at])+r.IntN(2*strength+1)-strength, 0), 255)) }
		if r.IntN(3) > 0 {
			change(py*p.Width + px)
		}
		if r.IntN(3) == 0 {
			change(p.Width*p.Height*(4+r.IntN(2))/4 + py/2*(p.Width/2) + px/2)
		}
	}
}

// TestVLCTablesArePrefixCodes checks that no code is the prefix of another, and that
// the codes of each table use almost the whole code space.
func TestVLCTablesArePrefixCodes(t *testing.T) {
	check := func(name string, lens, codes []uint8) {
		var taken float64
		for i, n := range lens {
			if n == 0 {
				continue
			}
			taken += 1 / float64(uint64(1)<<n)
			for j, m := range lens {
				if i != j && m >= n && codes[j]>>(m-n) == codes[i] {
					t.Errorf("%s: code %d is a prefix of code %d", name, i, j)
				}
			}
		}
		if taken > 1 || taken < 0.96 {
			t.Errorf("%s: the codes use %.4f of the code space", name, taken)
		}
	}
	for i := range coeffTokenLen {
		check(fmt.Sprint("token ", i), slices.Concat(coeffTokenLen[i][0][:], coeffTokenLen[i][1][:], coeffTokenLen[i][2][:], coeffTokenLen[i][3][:]),
			slices.Concat(coeffTokenCode[i][0][:], coeffTokenCode[i][1][:], coeffTokenCode[i][2][:], coeffTokenCode[i][3][:]))
	}
	check("token DC", slices.Concat(coeffTokenLenDC[0][:], coeffTokenLenDC[1][:], coeffTokenLenDC[2][:], coeffTokenLenDC[3][:]),
		slices.Concat(coeffTokenCodeDC[0][:], coeffTokenCodeDC[1][:], coeffTokenCodeDC[2][:], coeffTokenCodeDC[3][:]))
	for i := range totalZerosLen {
		check(fmt.Sprint("zeros ", i+1), totalZerosLen[i], totalZerosCode[i])
	}
	for i := range totalZerosLenDC {
		check(fmt.Sprint("zeros DC ", i+1), totalZerosLenDC[i], totalZerosCodeDC[i])
	}
	for i := range runBeforeLen {
		check(fmt.Sprint("runs ", i+1), runBeforeLen[i], runBeforeCode[i])
	}
}

// TestUnsupportedStreamsAreRefused checks streams of x264 with other settings.
func TestUnsupportedStreamsAreRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var all []byte
	for range 4 {
		all = append(all, noisyPicture(64, 48, r).Pix...)
	}
	for _, extra := range []string{":bframes=2:b-adapt=0", ":cabac=0", ":weightp=2", ":slices=2", ":interlaced=1"} {
		var s Stream
		var err error
		for _, nal := range nalUnits(t, encodeX264(t, 64, 48, all, extra)) {
			if _, _, err = s.AddNAL(nal); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%s is accepted", extra)
		}
	}
}

// TestChangedHeadersAreRefused checks a stream whose second part has another SPS or PPS
// than the first. A file has room for one.
func TestChangedHeadersAreRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	pictures := append(noisyPicture(64, 48, r).Pix, noisyPicture(64, 48, r).Pix...)
	for extra, accepted := range map[string]bool{"": true, ":me=umh": true, ":ref=2": false, ":chroma-qp-offset=5": false} {
		var s Stream
		var err error
		for _, part := range []string{"", extra} {
			for _, nal := range nalUnits(t, encodeX264(t, 64, 48, pictures, part)) {
				if err == nil {
					_, _, err = s.AddNAL(nal)
				}
			}
		}
		if accepted != (err == nil) || err != nil && !errors.Is(err, ErrUnexpected) {
			t.Errorf("%q: %v", extra, err)
		}
	}
}
