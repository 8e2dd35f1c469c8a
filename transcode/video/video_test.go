package video

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func tool(t testing.TB) *Tool {
	t.Helper()
	found, err := Find(context.Background(), "")
	if err != nil {
		t.Skip("needs ffmpeg: ", err)
	}
	return found
}

// scene is a desktop on which a box moves: frame n differs from all others.
func scene(w, h, n int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = 255
		if i%4 != 3 {
			img.Pix[i] = uint8(180 + r.IntN(20))
		}
	}
	box := image.Rect(0, 0, w/3, h/3).Add(image.Pt((n*37)%(w-w/3), (n*23)%(h-h/3)))
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			img.SetRGBA(x, y, color.RGBA{uint8(n * 40), uint8(200 - n*15), 30, 255})
		}
	}
	return img
}

func options(t *testing.T) Options {
	return Options{Width: 320, Height: 240, FPS: 15, CRF: 28, Codec: "h264", Output: filepath.Join(t.TempDir(), "out.mp4")}
}

// encode makes a video with frames at the given times.
func encode(t *testing.T, opt Options, times ...time.Duration) Report {
	t.Helper()
	e, err := tool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i, at := range times {
		img := scene(opt.Width, opt.Height, i)
		if err := e.Frame(at, img, []image.Rectangle{img.Rect}); err != nil {
			t.Fatal(err)
		}
	}
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// ffprobe is the independent witness of what is in the file.
func ffprobe(t *testing.T, path string) (times []time.Duration, stream map[string]any, format map[string]any) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_frames", "-show_streams", "-show_format", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Frames []struct {
			Type   string `json:"media_type"`
			Stream int    `json:"stream_index"`
			Time   string `json:"pts_time"`
		}
		Streams []map[string]any
		Format  map[string]any
	}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Frames {
		if f.Type == "video" && f.Stream == 0 {
			s, err := strconv.ParseFloat(f.Time, 64)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Duration(math.Round(s*1000))*time.Millisecond)
		}
	}
	return times, p.Streams[0], p.Format
}

func ms(values ...int) []time.Duration {
	var d []time.Duration
	for _, v := range values {
		d = append(d, time.Duration(v)*time.Millisecond)
	}
	return d
}

func TestTimestampsAreExact(t *testing.T) {
	for name, times := range map[string][]time.Duration{
		"uneven":           ms(0, 67, 133, 201, 1234, 1301, 9999),
		"one frame":        ms(0),
		"ten idle seconds": ms(0, 10_000, 10_067),
		"an idle hour":     ms(0, 3_600_000, 3_600_100),
		"close together":   ms(0, 66, 67, 133),
	} {
		t.Run(name, func(t *testing.T) {
			opt := options(t)
			slot := time.Second / 15
			opt.Duration = times[len(times)-1] + slot
			report := encode(t, opt, times...)
			got, stream, _ := ffprobe(t, opt.Output)
			if d := cmp.Diff(times, got); d != "" {
				t.Errorf("timestamps: %s", d)
			}
			if stream["profile"] != "High" || stream["pix_fmt"] != "yuv420p" || stream["color_space"] != "bt709" {
				t.Errorf("stream: %v", stream)
			}
			if level, _ := stream["level"].(float64); level > 31 {
				t.Errorf("level %v for 320×240 at 15 frames a second", level)
			}
			seconds, err := strconv.ParseFloat(stream["duration"].(string), 64)
			if length := time.Duration(seconds * float64(time.Second)); err != nil || (length-opt.Duration).Abs() > slot {
				t.Errorf("it lasts %s, want %s", length, opt.Duration)
			}
			if err := tool(t).Verify(t.Context(), opt.Output, report); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMetadataAndProbe(t *testing.T) {
	opt := options(t)
	opt.Duration = 200 * time.Millisecond
	opt.Metadata = map[string]string{"title": "session één", "comment": "session=x; source=sha256:y", "creation_time": "2024-04-23T17:15:07Z"}
	encode(t, opt, ms(0, 67, 133)...)
	info, err := tool(t).Probe(t.Context(), opt.Output)
	if err != nil {
		t.Fatal(err)
	}
	want := Info{Codec: "h264", Profile: "High", Width: 320, Height: 240, Frames: 3, Duration: 200 * time.Millisecond, FastStart: true, Metadata: opt.Metadata}
	info.Duration = info.Duration.Round(10 * time.Millisecond)
	if d := cmp.Diff(want, info); d != "" {
		t.Error(d)
	}
	_, _, format := ffprobe(t, opt.Output)
	tags, _ := format["tags"].(map[string]any)
	if tags["title"] != "session één" || tags["comment"] != opt.Metadata["comment"] {
		t.Errorf("tags: %v", tags)
	}
}

// TestSoundStaysInPlace encodes a tone from 1 s to 2 s, after silence.
func TestSoundStaysInPlace(t *testing.T) {
	opt := options(t)
	opt.Audio = &AudioFormat{Rate: 44100, Channels: 2}
	opt.Duration = 3 * time.Second
	e, err := tool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := range 30 {
		at := time.Duration(i) * 100 * time.Millisecond
		if err := e.Frame(at, scene(320, 240, i%6), []image.Rectangle{image.Rect(0, 0, 320, 240)}); err != nil {
			t.Fatal(err)
		}
		if i >= 10 && i < 20 {
			if err := e.Audio(at, *opt.Audio, tone(44100, i*4410, 4410)); err != nil {
				t.Fatal(err)
			}
		}
	}
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := tool(t).Verify(t.Context(), opt.Output, report); err != nil {
		t.Fatal(err)
	}
	pcm, err := exec.Command("ffmpeg", "-v", "error", "-i", opt.Output, "-f", "s16le", "-ac", "1", "-ar", "8000", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	first, last := -1, -1
	for i := 0; i+1 < len(pcm); i += 2 {
		if v := int16(binary.LittleEndian.Uint16(pcm[i:])); v > 3000 || v < -3000 {
			if first < 0 {
				first = i / 16
			}
			last = i / 16
		}
	}
	if first < 900 || first > 1100 || last < 1900 || last > 2100 {
		t.Errorf("the tone sounds from %d to %d ms, want 1000 to 2000", first, last)
	}
}

func tone(rate, from, n int) []byte {
	var b []byte
	for i := range n {
		v := uint16(int16(12000 * math.Sin(2*math.Pi*440*float64(from+i)/float64(rate))))
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, v), v)
	}
	return b
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	opt := options(t)
	opt.Duration = time.Second
	times := ms(0, 100, 200, 300, 400, 500, 600, 700, 800, 933)
	report := encode(t, opt, times...)
	good, err := os.ReadFile(opt.Output)
	if err != nil {
		t.Fatal(err)
	}
	swapped := append([]Sample(nil), report.Samples...)
	swapped[2].Rows, swapped[6].Rows = swapped[6].Rows, swapped[2].Rows
	black := append([]Sample(nil), report.Samples...)
	black[3].Rows = bytes.Repeat([]byte{16}, len(black[3].Rows))
	for name, tc := range map[string]struct {
		data []byte
		want func(Report) Report
	}{
		"a frame too few":      {good, func(r Report) Report { r.Frames++; return r }},
		"another duration":     {good, func(r Report) Report { r.Duration += time.Second; return r }},
		"another size":         {good, func(r Report) Report { r.Width = 640; return r }},
		"no sound":             {good, func(r Report) Report { r.Audio = true; return r }},
		"swapped frames":       {good, func(r Report) Report { r.Samples, r.proof = swapped, nil; return r }},
		"another picture":      {good, func(r Report) Report { r.Samples, r.proof = black, nil; return r }},
		"a cut file":           {good[:len(good)*2/3], func(r Report) Report { return r }},
		"no video":             {[]byte("this is no video at all"), func(r Report) Report { return r }},
		"an empty file":        {nil, func(r Report) Report { return r }},
		"damaged picture data": {damaged(good), func(r Report) Report { return r }},
		"damaged, decoded":     {damaged(good), func(r Report) Report { r.proof = nil; return r }},
		"cut, decoded":         {good[:len(good)*2/3], func(r Report) Report { r.proof = nil; return r }},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mp4")
			if err := os.WriteFile(path, tc.data, 0o600); err != nil {
				t.Fatal(err)
			}
			err := tool(t).Verify(t.Context(), path, tc.want(report))
			var bad *VerifyError
			if !errors.As(err, &bad) {
				t.Errorf("got %v", err)
			} else {
				t.Log(err)
			}
		})
	}
}

// TestPicturesThatAreNotWhatWasDrawnAreFound while they are joined; it is
// Verify that tells.
func TestPicturesThatAreNotWhatWasDrawnAreFound(t *testing.T) {
	opt := options(t)
	opt.Duration = 500 * time.Millisecond
	e, err := tool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := range 5 {
		if err := e.Frame(time.Duration(i)*100*time.Millisecond, scene(opt.Width, opt.Height, i), []image.Rectangle{image.Rect(0, 0, opt.Width, opt.Height)}); err != nil {
			t.Fatal(err)
		}
	}
	e.samples.kept[2].Rows = bytes.Repeat([]byte{16}, len(e.samples.kept[2].Rows))
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if report.proof == nil {
		t.Error("they were not decoded while they were joined")
	}
	var bad *VerifyError
	if err := tool(t).Verify(t.Context(), opt.Output, report); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

// damaged overwrites part of the pictures.
func damaged(good []byte) []byte {
	b := append([]byte(nil), good...)
	at := bytes.Index(b, []byte("mdat"))
	at += (len(b) - at) * 3 / 4
	for i := range 400 {
		b[min(at+i, len(b)-1)] = byte(i * 7)
	}
	return b
}

func TestDamageOnlyConversionEqualsFull(t *testing.T) {
	const w, h = 64, 48
	r := rand.New(rand.NewPCG(3, 4))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	partial := newPlanes(w, h)
	partial.convert(img, img.Rect)
	for range 200 {
		x, y := r.IntN(w), r.IntN(h)
		box := image.Rect(x, y, x+1+r.IntN(w-x), y+1+r.IntN(h-y))
		for py := box.Min.Y; py < box.Max.Y; py++ {
			for px := box.Min.X; px < box.Max.X; px++ {
				img.SetRGBA(px, py, color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255})
			}
		}
		partial.convert(img, box)
		full := newPlanes(w, h)
		full.convert(img, img.Rect)
		if !bytes.Equal(partial.pix, full.pix) {
			t.Fatalf("differs after %v", box)
		}
	}
}

func TestConversionOfKnownColours(t *testing.T) {
	for _, tc := range []struct {
		c       color.RGBA
		y, u, v byte
	}{
		{color.RGBA{0, 0, 0, 255}, 16, 128, 128},
		{color.RGBA{255, 255, 255, 255}, 235, 128, 128},
		{color.RGBA{255, 0, 0, 255}, 63, 102, 240},
		{color.RGBA{0, 255, 0, 255}, 173, 42, 26},
		{color.RGBA{0, 0, 255, 255}, 32, 240, 118},
	} {
		img := image.NewRGBA(image.Rect(0, 0, 2, 2))
		for i := range 4 {
			img.SetRGBA(i%2, i/2, tc.c)
		}
		p := newPlanes(2, 2)
		p.convert(img, img.Rect)
		if got, want := p.pix, []byte{tc.y, tc.y, tc.y, tc.y, tc.u, tc.v}; !bytes.Equal(got, want) {
			t.Errorf("%v: %v, want %v", tc.c, got, want)
		}
	}
}

func TestFailuresLeaveNothing(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		opt := options(t)
		ctx, cancel := context.WithCancel(t.Context())
		e, err := tool(t).Start(ctx, opt)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Abort()
		if err := e.Frame(0, scene(320, 240, 0), nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := e.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		gone(t, opt.Output)
	})
	t.Run("aborted", func(t *testing.T) {
		opt := options(t)
		e, err := tool(t).Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		pid := e.track.(*deltaTrack).ffmpeg.ffmpeg.child.cmd.Process.Pid
		e.Abort()
		gone(t, opt.Output)
		if err := syscall.Kill(pid, 0); err == nil {
			t.Error("ffmpeg runs on")
		}
	})
	t.Run("ffmpeg killed", func(t *testing.T) {
		opt := options(t)
		e, err := tool(t).Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Abort()
		_ = syscall.Kill(e.track.(*deltaTrack).ffmpeg.ffmpeg.child.cmd.Process.Pid, syscall.SIGKILL)
		for i := range 100 {
			if err = e.Frame(time.Duration(i)*time.Second, scene(320, 240, i%6), []image.Rectangle{image.Rect(0, 0, 320, 240)}); err != nil {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("got %v", err)
		}
		gone(t, opt.Output)
	})
	t.Run("no such folder", func(t *testing.T) {
		opt := options(t)
		opt.Output = filepath.Join(t.TempDir(), "missing", "out.mp4")
		e, err := tool(t).Start(t.Context(), opt)
		if err == nil {
			defer e.Abort()
			for i := 0; err == nil && i < 100; i++ {
				err = e.Frame(time.Duration(i)*time.Second, scene(320, 240, 0), nil)
			}
		}
		if err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("the reason is missing in %v", err)
		}
	})
}

// hanging is an ffmpeg that says something and then does nothing.
func hanging(t *testing.T) *Tool {
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho the disk is slow >&2\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Tool{Path: path, Version: "7.1", patience: 300 * time.Millisecond}
}

func TestAHangIsNoticed(t *testing.T) {
	check := func(t *testing.T, start time.Time, opt Options, err error) {
		t.Helper()
		if !errors.Is(err, errStalled) || !strings.Contains(err.Error(), "the disk is slow") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("after %s", took)
		}
		left, err := filepath.Glob(opt.Output + "*")
		if err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint("while writing, plain ", plain), func(t *testing.T) {
			opt := options(t)
			opt.Width, opt.Height, opt.Plain = 1920, 1080, plain
			e, err := hanging(t).Start(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Abort()
			start := time.Now()
			frame := image.NewRGBA(image.Rect(0, 0, 1920, 1080))
			for i := 0; err == nil && i <= framesAhead; i++ { // the first ones wait for ffmpeg
				draw.Draw(frame, frame.Rect, image.NewUniform(color.Gray{uint8(100 * i)}), image.Point{}, draw.Src)
				err = e.Frame(time.Duration(i)*time.Second, frame, []image.Rectangle{frame.Rect})
			}
			check(t, start, opt, err)
		})
		t.Run(fmt.Sprint("at the end, plain ", plain), func(t *testing.T) {
			opt := options(t)
			opt.Plain = plain
			e, err := hanging(t).Start(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Abort()
			if err := e.Frame(0, scene(320, 240, 0), nil); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = e.Close()
			check(t, start, opt, err)
		})
	}
	t.Run("while verifying", func(t *testing.T) {
		opt := options(t)
		opt.Duration = 166 * time.Millisecond
		report := encode(t, opt, ms(0, 100)...)
		report.proof = nil
		start := time.Now()
		if err := hanging(t).Verify(t.Context(), opt.Output, report); !errors.Is(err, errStalled) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("after %s", took)
		}
	})
}

// TestAFullDiskIsNamed encodes onto a filesystem with too little room.
func TestAFullDiskIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("needs leave to mount a small filesystem: ", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	for _, plain := range []bool{false, true} {
		opt := options(t)
		opt.Plain, opt.Output = plain, filepath.Join(dir, "out.mp4")
		e, err := tool(t).Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 1))
		img := image.NewRGBA(image.Rect(0, 0, 320, 240))
		for i := 0; err == nil && i < 200; i++ {
			for k := range img.Pix {
				img.Pix[k] = uint8(r.IntN(256))
			}
			err = e.Frame(time.Duration(i)*time.Second, img, []image.Rectangle{img.Rect})
		}
		if err == nil {
			_, err = e.Close()
		}
		e.Abort()
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("plain %v: got %v", plain, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", path, err)
	}
}

func TestFindRefusesWhatIsNotFFmpeg(t *testing.T) {
	fake := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fake, filepath.Join(t.TempDir(), "none")} {
		if _, err := Find(t.Context(), path); !errors.Is(err, ErrNoFFmpeg) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func BenchmarkConvert1080p(b *testing.B) {
	img := image.NewRGBA(image.Rect(0, 0, 1920, 1080))
	p := newPlanes(1920, 1080)
	b.SetBytes(int64(len(img.Pix)))
	for b.Loop() {
		p.convert(img, img.Rect)
	}
}

func TestConversionsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	img := image.NewRGBA(image.Rect(0, 0, 130, 70))
	for i := range img.Pix {
		img.Pix[i] = uint8(r.IntN(256))
	}
	for range 50 {
		x, y := 2*r.IntN(64), 2*r.IntN(34)
		box := image.Rect(x, y, x+2+2*r.IntN((130-x)/2), y+2+2*r.IntN((70-y)/2))
		ours, plain := newPlanes(130, 70), newPlanes(130, 70)
		ours.convertRect(img, box)
		plain.convertRectInGo(img, box)
		if !bytes.Equal(ours.pix, plain.pix) {
			t.Fatalf("%v differs", box)
		}
	}
}
