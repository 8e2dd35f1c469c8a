package render

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

const session = "5f946840-ca17-47b4-9b3a-67b7ba28ad0f"

// script collects Guacamole instructions.
type script struct{ b strings.Builder }

func (s *script) do(elements ...any) {
	for i, e := range elements {
		text := fmt.Sprint(e)
		if i > 0 {
			s.b.WriteByte(',')
		}
		fmt.Fprintf(&s.b, "%d.%s", len(text), text)
	}
	s.b.WriteByte(';')
}

func (s *script) size(w, h int) { s.do("size", 0, w, h) }
func (s *script) sync(ms int64) { s.do("sync", ms) }

// grey fills a rectangle of the screen with a brightness.
func (s *script) grey(v, x, y, w, h int) {
	s.do("rect", 0, x, y, w, h)
	s.do("cfill", 14, 0, v, v, v, 255)
}

// parts writes recordings in the layout of parts and opens it.
func parts(t *testing.T, scripts ...string) *recording.Recording {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "2024-04-23", session)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, text := range scripts {
		name := fmt.Sprintf("%s.%d.part.gz", session, i)
		names = append(names, `{"name":"`+name+`"}`)
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	index := `{"id":"` + session + `","date_start":"2024-04-23 17:15:07 +0000","files":[` + strings.Join(names, ",") + `]}`
	if err := os.WriteFile(filepath.Join(dir, session+".replay.json"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	rec, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func ffmpegTool(t *testing.T) *video.Tool {
	t.Helper()
	tool, err := video.Find(t.Context(), "")
	if err != nil {
		t.Skip("needs ffmpeg: ", err)
	}
	return tool
}

// made converts a recording and verifies the result.
func made(t *testing.T, rec *recording.Recording, opt Options) (*Video, *Plan) {
	t.Helper()
	opt.Tool, opt.FPS, opt.CRF = ffmpegTool(t), 15, 29
	plan, err := Scan(t.Context(), rec, ScanOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	v, err := plan.Encode(t.Context(), filepath.Join(t.TempDir(), "out.mp4"), opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v, plan
}

// shown is a decoded frame.
type shown struct {
	at  time.Duration
	pix []byte // brightness
}

// decoded returns ffmpeg's decoded frames with their times.
func decoded(t *testing.T, v *Video) []shown {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", v.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	pix, err := exec.Command("ffmpeg", "-v", "error", "-i", v.Path, "-map", "0:v:0", "-vf", "extractplanes=y", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	var frames []shown
	for line := range strings.FieldsSeq(string(out)) {
		s, err := strconv.ParseFloat(strings.Trim(line, ","), 64)
		if err != nil {
			t.Fatal(err)
		}
		n := v.Width * v.Height
		if len(pix) < n {
			t.Fatalf("%d frames for more timestamps", len(frames))
		}
		frames = append(frames, shown{time.Duration(s*1000+0.5) * time.Millisecond, pix[:n]})
		pix = pix[n:]
	}
	return frames
}

// grey returns the brightness, 0 to 255, that the video shows at a time and place.
func grey(frames []shown, width int, at time.Duration, x, y int) int {
	var now shown
	for _, f := range frames {
		if f.at <= at {
			now = f
		}
	}
	if now.pix == nil {
		return -1
	}
	return (int(now.pix[y*width+x]) - 16) * 255 / 219
}

// moment is what a video must show at a place.
type moment struct {
	at   time.Duration
	x, y int
	grey int
}

func TestTheVideoShowsTheDisplayAsOfTheLastSync(t *testing.T) {
	const s = time.Second
	for name, tc := range map[string]struct {
		parts  func() []string
		length time.Duration
		width  int
		height int
		want   []moment
	}{
		"half a second": {one(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(5000)
			c.grey(90, 0, 0, 64, 48)
			c.sync(5500)
		}), 500 * time.Millisecond, 64, 48, []moment{{0, 9, 9, 200}, {400 * time.Millisecond, 9, 9, 200}, {499 * time.Millisecond, 9, 9, 200}, {500 * time.Millisecond, 9, 9, 90}}},

		"an idle of five hours": {one(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(1000)
			c.grey(120, 0, 0, 32, 48)
			c.sync(2000)
			c.grey(40, 0, 0, 32, 48)
			c.sync(1000 + 5*3600*1000)
			c.grey(255, 0, 0, 32, 48)
			c.sync(3000 + 5*3600*1000)
		}), 5*time.Hour + 2*s, 64, 48, []moment{
			{500 * time.Millisecond, 9, 9, 200}, {s + 100*time.Millisecond, 9, 9, 120}, {3 * time.Hour, 9, 9, 120}, {5*time.Hour - s, 9, 9, 120},
			{5*time.Hour + 100*time.Millisecond, 9, 9, 40}, {5*time.Hour + s, 9, 9, 40}, {5*time.Hour + 2*s, 50, 9, 200},
		}},

		"the display grows and shrinks": {one(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(0)
			c.size(101, 80) // made even
			c.grey(90, 0, 0, 101, 80)
			c.sync(1000)
			c.size(32, 32)
			c.grey(250, 0, 0, 32, 32)
			c.sync(2000)
			c.sync(3000)
		}), 3 * s, 102, 80, []moment{
			{500 * time.Millisecond, 30, 20, 200}, {500 * time.Millisecond, 90, 70, 0}, {1500 * time.Millisecond, 90, 70, 90}, {1500 * time.Millisecond, 30, 20, 90},
			{2500 * time.Millisecond, 10, 10, 250}, {2500 * time.Millisecond, 60, 60, 0},
		}},

		"parts overlap": {several(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(10_000)
			c.grey(150, 0, 0, 64, 48)
			c.sync(12_000)
		}, func(c *script) { // begins a second before the end of the other
			c.size(64, 48)
			c.grey(30, 0, 0, 64, 48)
			c.sync(11_000)
			c.grey(60, 0, 0, 64, 48)
			c.sync(13_000)
			c.sync(14_000)
		}), 4 * s, 64, 48, []moment{{s, 9, 9, 200}, {1900 * time.Millisecond, 9, 9, 200}, {2500 * time.Millisecond, 9, 9, 30}, {3500 * time.Millisecond, 9, 9, 60}}},

		"a gap between parts": {several(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(10_000)
			c.sync(11_000)
		}, func(c *script) {
			c.size(64, 48)
			c.grey(30, 0, 0, 64, 48)
			c.sync(71_000)
			c.sync(72_000)
		}), 62 * s, 64, 48, []moment{{30 * s, 9, 9, 200}, {60 * s, 9, 9, 200}, {61*s + 100*time.Millisecond, 9, 9, 30}}},

		"the clock starts again in a part": {one(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(900_000)
			c.grey(100, 0, 0, 64, 48)
			c.sync(901_000)
			c.grey(50, 0, 0, 64, 48)
			c.sync(20)
			c.sync(1020)
		}), 2 * s, 64, 48, []moment{{500 * time.Millisecond, 9, 9, 200}, {1900 * time.Millisecond, 9, 9, 50}}},

		"the clock starts again between parts": {several(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(900_000)
			c.sync(901_000)
		}, func(c *script) {
			c.size(64, 48)
			c.grey(50, 0, 0, 64, 48)
			c.sync(100)
			c.sync(1100)
		}), 2 * s, 64, 48, []moment{{900 * time.Millisecond, 9, 9, 200}, {1500 * time.Millisecond, 9, 9, 50}}},

		"drawing after the last sync": {one(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.sync(0)
			c.sync(2000)
			c.grey(70, 0, 0, 64, 48)
		}), 2 * s, 64, 48, []moment{{s, 9, 9, 200}, {2 * s, 9, 9, 70}}},

		"a mouse that lies about the time": {one(func(c *script) {
			c.size(64, 48)
			c.grey(200, 0, 0, 64, 48)
			c.do("mouse", 3, 3, 0, 99_999_999)
			c.sync(1000)
			c.do("mouse", 5, 5, 0, 5)
			c.grey(100, 0, 0, 64, 48)
			c.sync(2000)
			c.sync(3000)
		}), 2 * s, 64, 48, []moment{{900 * time.Millisecond, 9, 9, 200}, {1100 * time.Millisecond, 9, 9, 100}}},

		"small changes between large ones": {one(func(c *script) {
			c.size(256, 192)
			for i := range 40 {
				c.grey(100+i%2*100, 0, 0, 256, 192)
				c.sync(int64(i) * 10_000)
				for k := range 90 { // a box that blinks
					c.grey(20+k%2*200, 8, 8, 12, 12)
					c.sync(int64(i)*10_000 + int64(k+1)*100)
				}
			}
		}), 399 * s, 256, 192, blinking()},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := made(t, parts(t, tc.parts()...), Options{Codec: "h264"})
			slot := time.Second / 15
			if v.Width != tc.width || v.Height != tc.height || (v.Duration-tc.length).Abs() > slot {
				t.Errorf("%d×%d, %s long", v.Width, v.Height, v.Duration)
			}
			frames := decoded(t, v)
			for i := 1; i < len(frames); i++ {
				if gap := frames[i].at - frames[i-1].at; gap > 10*time.Second+2*slot || gap <= 0 {
					t.Errorf("%s pass before the frame at %s", gap, frames[i].at)
				}
			}
			if last := frames[len(frames)-1].at; (last + slot - tc.length).Abs() > slot {
				t.Errorf("the last frame is at %s of %s", last, tc.length)
			}
			for _, m := range tc.want {
				if got := grey(frames, v.Width, m.at, m.x, m.y); max(got-m.grey, m.grey-got) > 8 {
					t.Errorf("at %s the point %d,%d is %d, want %d", m.at, m.x, m.y, got, m.grey)
				}
			}
		})
	}
}

func one(write func(*script)) func() []string { return several(write) }

func several(writes ...func(*script)) func() []string {
	return func() []string {
		var all []string
		for _, write := range writes {
			var c script
			write(&c)
			all = append(all, c.b.String())
		}
		return all
	}
}

// blinking returns what the recording of small changes shows: each state of the box
// lasts a tenth of a second.
func blinking() []moment {
	var want []moment
	for i := range 40 {
		for k := 0; k < 90; k += 7 {
			at := time.Duration(i)*10*time.Second + time.Duration(k+1)*100*time.Millisecond + 99*time.Millisecond
			want = append(want, moment{at, 14, 14, 20 + k%2*200}, moment{at, 200, 150, 100 + i%2*100})
		}
	}
	return want[:len(want)-2]
}

// TestADayOfIdling converts a session of 24 hours in which almost nothing happens.
// Benchmarks measure how long that takes.
func TestADayOfIdling(t *testing.T) {
	v, _ := made(t, parts(t, one(func(c *script) {
		c.size(1920, 1080)
		c.grey(200, 0, 0, 1920, 1080)
		for hour := range int64(25) {
			c.grey(int(hour*10), 0, 0, 100, 100)
			c.sync(hour * 3600 * 1000)
		}
	})()...), Options{Codec: "h264"})
	if v.Duration != 24*time.Hour || v.Frames < 24*360 || v.Bytes > 1<<20 {
		t.Errorf("%s, %d frames, %d bytes", v.Duration, v.Frames, v.Bytes)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-show_chapters", "-of", "csv=p=0", v.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "\n"); n != 25 {
		t.Errorf("%d chapters:\n%s", n, out)
	}
}
