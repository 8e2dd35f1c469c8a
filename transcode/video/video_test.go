package video

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func findTool(t testing.TB) *Tool {
	t.Helper()
	found, err := Find(context.Background(), "")
	if err != nil {
		t.Skip("needs ffmpeg: ", err)
	}
	return found
}

// scene returns a desktop on which a box moves: frame n differs from all others.
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
	return Options{Width: 320, Height: 240, FPS: 15, CRF: 29, Codec: "h264", Output: filepath.Join(t.TempDir(), "out.mp4")}
}

// encode encodes a video with frames at the given times.
func encode(t *testing.T, opt Options, times ...time.Duration) Report {
	t.Helper()
	e, err := findTool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i, at := range times {
		img := scene(opt.Width, opt.Height, i)
		if err := e.AddFrame(at, img, []image.Rectangle{img.Rect}); err != nil {
			t.Fatal(err)
		}
	}
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// ffprobe returns the frame times, the first stream and the format of a file,
// independently of our code.
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

// TestFullHDIsLevel4 checks the level, because hardware decoders of phones and
// televisions are often limited to 4.0.
func TestFullHDIsLevel4(t *testing.T) {
	opt := options(t)
	opt.Width, opt.Height, opt.Duration = 1920, 1080, time.Second
	encode(t, opt, ms(0, 100, 200)...)
	if _, stream, _ := ffprobe(t, opt.Output); stream["level"] != 40.0 {
		t.Errorf("level %v", stream["level"])
	}
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
			if len(got) != report.Frames {
				t.Errorf("%d frames, but %d in the report", len(got), report.Frames)
			}
			// The encoder adds pictures that remove ghosts.
			got = slices.DeleteFunc(got, func(at time.Duration) bool {
				return !slices.Contains(times, at) && slices.Contains(times, at-ghostDelay)
			})
			if d := cmp.Diff(times, got); d != "" {
				t.Errorf("timestamps: %s", d)
			}
			if stream["profile"] != "High" || stream["pix_fmt"] != "yuv420p" || stream["color_space"] != "bt709" {
				t.Errorf("stream: %v", stream)
			}
			if level, _ := stream["level"].(float64); level > 31 {
				t.Errorf("level %v for 320×240 at 15 frames per second", level)
			}
			seconds, err := strconv.ParseFloat(stream["duration"].(string), 64)
			if length := time.Duration(seconds * float64(time.Second)); err != nil || (length-opt.Duration).Abs() > slot {
				t.Errorf("duration %s, want %s", length, opt.Duration)
			}
			if err := findTool(t).Verify(t.Context(), opt.Output, report); err != nil {
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
	info, err := findTool(t).Probe(t.Context(), opt.Output)
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

// TestSoundIsInSync encodes a tone from 1 s to 2 s, after silence.
func TestSoundIsInSync(t *testing.T) {
	opt := options(t)
	opt.Audio = &AudioFormat{Rate: 44100, Channels: 2}
	opt.Duration = 3 * time.Second
	e, err := findTool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := range 30 {
		at := time.Duration(i) * 100 * time.Millisecond
		if err := e.AddFrame(at, scene(320, 240, i%6), []image.Rectangle{image.Rect(0, 0, 320, 240)}); err != nil {
			t.Fatal(err)
		}
		if i >= 10 && i < 20 {
			if err := e.AddAudio(at, 0, *opt.Audio, tone(44100, i*4410, 4410)); err != nil {
				t.Fatal(err)
			}
		}
	}
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := findTool(t).Verify(t.Context(), opt.Output, report); err != nil {
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
		t.Errorf("the tone is from %d to %d ms, want 1000 to 2000", first, last)
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
