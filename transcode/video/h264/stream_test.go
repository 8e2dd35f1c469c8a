package h264

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
)

// x264 encodes pictures as the encoder has them encoded.
func x264(t *testing.T, width, height int, pictures []byte, extra string) []byte {
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

// decode is what a decoder that is not ours shows.
func decode(t *testing.T, stream []byte) []byte {
	return run(t, exec.Command("ffmpeg", "-v", "error", "-xerror", "-err_detect", "+crccheck+bitstream+buffer+explode", "-threads", "1",
		"-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"), stream)
}

// annexB turns packets back into a byte stream.
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

// units are the NAL units of a byte stream.
func units(t *testing.T, stream []byte) (all [][]byte) {
	t.Helper()
	if err := Split(bytes.NewReader(stream), func(nal []byte) error {
		all = append(all, slices.Clone(nal))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// expected adds what a delta says to a decoded picture.
func expected(d *Delta, decoded, now, base Picture, changed []Change) []byte {
	out := Picture{decoded.Width, decoded.Height, slices.Clone(decoded.Pix)}
	for _, c := range changed {
		b := block{qp: d.quantiser(c)}
		if d.transform(&b, now, base, c.MB) {
			d.macroblock(&bitWriter{}, &b, c.MB, 0)
			d.rebuild(out, &b, c.MB)
			d.setCounts(c.MB, nil)
		}
	}
	return out.Pix
}

// desktop makes a picture of one with noise in it.
func desktop(width, height int, r *rand.Rand) Picture {
	p := Picture{width, height, make([]byte, width*height*3/2)}
	for i := range p.Pix {
		p.Pix[i] = uint8(16 + i%width/3&7*20 + r.IntN(8))
	}
	return p
}

// TestDeltasDecodeToWhatWasMeant lets ffmpeg decode streams of both kinds of
// pictures: each delta must be the picture before plus our residual, to the
// bit, and x264's own pictures as they are without us. Some deltas are more
// than a decoder keeps pictures, and than x264 can number.
func TestDeltasDecodeToWhatWasMeant(t *testing.T) {
	sizes := [][2]int{{66, 34}, {200, 150}, {320, 240}}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, size := range sizes {
		for _, qp := range []int{1, 10, 26, 33, 51} {
			for _, keys := range []string{"", ":keyint=3", ":8x8dct=1"} {
				t.Run(fmt.Sprintf("%d×%d qp %d%s", size[0], size[1], qp, keys), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(qp), 7))
					width, height := size[0], size[1]
					const bigs = 7
					var all []byte
					var sources []Picture
					for range bigs {
						p := desktop(width, height, r)
						sources = append(sources, p)
						all = append(all, p.Pix...)
					}
					plain := x264(t, width, height, all, keys)
					before := decode(t, plain)
					frame := len(sources[0].Pix)

					d := NewDelta(width, height, qp)
					columns, rows := d.Macroblocks()
					var s Stream
					var packets [][]byte
					var want [][]byte
					big := 0
					for _, nal := range units(t, plain) {
						packet, key, err := s.NAL(nal)
						if err != nil {
							t.Fatal(err)
						}
						if packet == nil {
							continue
						}
						if keys == ":keyint=3" && key != (big%3 == 0) {
							t.Errorf("picture %d: key %v", big, key)
						}
						packets = append(packets, packet)
						decoded := Picture{width, height, before[big*frame:][:frame]}
						want = append(want, decoded.Pix)
						base := Picture{width, height, slices.Clone(sources[big].Pix)}
						for range []int{0, 1, 40, 3}[big%4] {
							now := Picture{width, height, slices.Clone(base.Pix)}
							var changed []Change
							for mb := range columns * rows {
								if r.IntN(4) > 0 {
									continue
								}
								changed = append(changed, Change{MB: mb, Fine: r.IntN(3) == 0})
								scribble(now, mb%columns*16, mb/columns*16, r)
							}
							decoded.Pix = expected(d, decoded, now, base, changed)
							diff, ok := d.Encode(now, base, changed, 1<<20)
							if !ok {
								t.Fatal("too large")
							}
							want = append(want, decoded.Pix)
							packets = append(packets, s.Delta(diff))
							sameError(t, decoded, base, Picture{width, height, before[big*frame:][:frame]}, sources[big])
						}
						big++
					}
					if profile := s.Config()[1]; profile != 100 {
						t.Errorf("profile %d instead of High", profile)
					}
					got := decode(t, annexB(s.Config(), packets))
					if len(got) != len(want)*frame {
						t.Fatalf("%d pictures instead of %d", len(got)/frame, len(want))
					}
					for i := range want {
						if !bytes.Equal(got[i*frame:][:frame], want[i]) {
							t.Fatalf("picture %d is not as meant", i)
						}
					}
				})
			}
		}
	}
}

// sameError checks that base differs from what is decoded as x264's picture
// from its source, where no value came to its limits.
func sameError(t *testing.T, decoded, base, picture, source Picture) {
	t.Helper()
	for i, v := range decoded.Pix {
		limits := false
		for _, pix := range []byte{v, base.Pix[i], picture.Pix[i], source.Pix[i]} {
			limits = limits || pix < 40 || pix > 215
		}
		if !limits && int(v)-int(base.Pix[i]) != int(picture.Pix[i])-int(source.Pix[i]) {
			// Somewhere on the way one of them may have been clipped: their
			// error is then smaller, never larger.
			if abs(int32(v)-int32(base.Pix[i])) > abs(int32(picture.Pix[i])-int32(source.Pix[i])) {
				t.Fatalf("sample %d: the base is %d and the picture %d, x264 made %d of %d", i, base.Pix[i], v, picture.Pix[i], source.Pix[i])
			}
		}
	}
}

// TestADifferenceThatIsTooLargeChangesNothing: the base stays, and the next
// difference is coded as if there had been none.
func TestADifferenceThatIsTooLargeChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	base := desktop(96, 64, r)
	now := Picture{96, 64, slices.Clone(base.Pix)}
	var changed []Change
	for mb := range 24 {
		changed = append(changed, Change{MB: mb, Fine: mb%5 == 0})
		scribble(now, mb%6*16, mb/6*16, r)
	}
	d, fresh := NewDelta(96, 64, 20), NewDelta(96, 64, 20)
	was := slices.Clone(base.Pix)
	if _, ok := d.Encode(now, base, changed, 100); ok || !bytes.Equal(base.Pix, was) {
		t.Fatalf("taken: %v, base as it was: %v", ok, bytes.Equal(base.Pix, was))
	}
	again := Picture{96, 64, slices.Clone(was)}
	have, ok1 := d.Encode(now, base, changed, 1<<20)
	want, ok2 := fresh.Encode(now, again, changed, 1<<20)
	if !ok1 || !ok2 || have.n != want.n || !bytes.Equal(have.bits, want.bits) || !bytes.Equal(base.Pix, again.Pix) {
		t.Error("the refused difference left something behind")
	}
}

// scribble changes one macroblock, in one of several ways.
func scribble(p Picture, x, y int, r *rand.Rand) {
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

// TestCodesAreComplete: no code of a table is the beginning of another, and
// together they leave no more room than the standard's tables do.
func TestCodesAreComplete(t *testing.T) {
	check := func(name string, lens, codes []uint8) {
		var taken float64
		for i, n := range lens {
			if n == 0 {
				continue
			}
			taken += 1 / float64(uint64(1)<<n)
			for j, m := range lens {
				if i != j && m >= n && codes[j]>>(m-n) == codes[i] {
					t.Errorf("%s: code %d begins code %d", name, i, j)
				}
			}
		}
		if taken > 1 || taken < 0.96 {
			t.Errorf("%s: the codes fill %.4f of the room", name, taken)
		}
	}
	for i := range tokenLen {
		check(fmt.Sprint("token ", i), slices.Concat(tokenLen[i][0][:], tokenLen[i][1][:], tokenLen[i][2][:], tokenLen[i][3][:]),
			slices.Concat(tokenCode[i][0][:], tokenCode[i][1][:], tokenCode[i][2][:], tokenCode[i][3][:]))
	}
	check("token DC", slices.Concat(tokenLenDC[0][:], tokenLenDC[1][:], tokenLenDC[2][:], tokenLenDC[3][:]),
		slices.Concat(tokenCodeDC[0][:], tokenCodeDC[1][:], tokenCodeDC[2][:], tokenCodeDC[3][:]))
	for i := range zerosLen {
		check(fmt.Sprint("zeros ", i+1), zerosLen[i], zerosCode[i])
	}
	for i := range zerosLenDC {
		check(fmt.Sprint("zeros DC ", i+1), zerosLenDC[i], zerosCodeDC[i])
	}
	for i := range runLen {
		check(fmt.Sprint("runs ", i+1), runLen[i], runCode[i])
	}
}

// TestOtherStreamsAreRefused: what x264 makes with other settings.
func TestOtherStreamsAreRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var all []byte
	for range 4 {
		all = append(all, desktop(64, 48, r).Pix...)
	}
	for _, extra := range []string{":bframes=2:b-adapt=0", ":cabac=0", ":weightp=2", ":slices=2", ":interlaced=1"} {
		var s Stream
		var err error
		for _, nal := range units(t, x264(t, 64, 48, all, extra)) {
			if _, _, err = s.NAL(nal); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%s is accepted", extra)
		}
	}
}
