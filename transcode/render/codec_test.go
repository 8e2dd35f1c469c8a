package render

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

func box(c *script) {
	c.size(320, 240)
	for i := range int64(5) {
		c.grey(int(200-i*30), 0, 0, 320, 240)
		c.sync(1000 * i)
		c.grey(int(i*50), 20, 20, 30, 30)
		c.sync(1000*i + 300)
	}
}

// TestCodecs: the output has the requested codec, or H.264 with a warning.
func TestCodecs(t *testing.T) {
	for codec, want := range map[string]string{"h264": "h264", "hevc": "hevc", "av1": "av1", "h264_v4l2m2m": "h264", "hevc_rkmpp": "h264"} {
		t.Run(codec, func(t *testing.T) {
			rec := parts(t, one(box)()...)
			v, _ := made(t, rec, Options{Codec: codec})
			info, err := v.tool.Probe(t.Context(), v.Path)
			if err != nil {
				t.Fatal(err)
			}
			warned := strings.Contains(strings.Join(v.Warnings, "\n"), codec+" cannot be used here")
			if info.Codec != want && (!warned || info.Codec != "h264") {
				t.Errorf("%s, warnings %q", info.Codec, v.Warnings)
			}
			if warned != (info.Codec != codec) {
				t.Errorf("%s made, warnings %q", info.Codec, v.Warnings)
			}
			frames := decoded(t, v)
			for _, m := range []moment{{500e6, 35, 35, 0}, {500e6, 200, 200, 200}, {4100e6, 200, 200, 80}, {4400e6, 35, 35, 200}} {
				if got := grey(frames, v.Width, m.at, m.x, m.y); max(got-m.grey, m.grey-got) > 8 {
					t.Errorf("at %s the point %d,%d is %d, want %d", m.at, m.x, m.y, got, m.grey)
				}
			}
		})
	}
}

// TestChaptersAndPoster: ffprobe reads a chapter for each period of activity, and a
// poster that shows the busiest moment.
func TestChaptersAndPoster(t *testing.T) {
	v, _ := made(t, parts(t, one(func(c *script) {
		c.size(640, 480)
		c.grey(255, 0, 0, 640, 480)
		for i, at := range []int64{0, 30_000, 59_000, 200_000, 230_000, 500_000} {
			c.grey(i*40, 0, 0, 64, 64)
			c.sync(at)
		}
		for i := range 30 { // the busiest moment
			c.grey(0, 20*i, 100, 10, 300)
		}
		c.sync(505_000)
		c.sync(520_000)
	})()...), Options{Codec: "h264"})
	out, err := exec.Command("ffprobe", "-v", "error", "-show_chapters", "-of", "json", v.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Chapters []struct {
			Start string `json:"start_time"`
			End   string `json:"end_time"`
			Tags  struct{ Title string }
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := [][3]string{
		{"0.000000", "200.000000", "Active 17:15:07 – 17:16:06 UTC"},
		{"200.000000", "500.000000", "Active 17:18:27 – 17:18:57 UTC"},
		{"500.000000", "520.000000", "Active 17:23:27 – 17:23:32 UTC"},
	}
	if len(got.Chapters) != len(want) {
		t.Fatalf("%d chapters: %s", len(got.Chapters), out)
	}
	for i, c := range got.Chapters {
		if c.Start != want[i][0] || c.End[:3] != want[i][1][:3] || c.Tags.Title != want[i][2] {
			t.Errorf("chapter %d: %+v, want %v", i, c, want[i])
		}
	}
	picture, err := exec.Command("ffmpeg", "-v", "error", "-i", v.Path, "-map", "0:v:1", "-c", "copy", "-f", "image2pipe", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Bounds().Size(); s.X != 480 || s.Y != 360 {
		t.Errorf("a poster of %v", s)
	}
	edges := 0
	for x := 1; x < 480; x++ {
		a, _, _, _ := img.At(x-1, 200).RGBA()
		b, _, _, _ := img.At(x, 200).RGBA()
		if max(a, b)-min(a, b) > 0x3000 {
			edges++
		}
	}
	if edges < 30 {
		t.Errorf("the poster does not show the busiest moment: %d edges", edges)
	}
}

// TestAnUnusualStreamIsEncodedInFull uses an ffmpeg that makes B frames although it
// was told not to.
func TestAnUnusualStreamIsEncodedInFull(t *testing.T) {
	normal := ffmpegTool(t)
	path := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/bash\nexec " + normal.Path + ` "${@//bframes=0:/bframes=2:b-adapt=0:}"` + "\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	odd, err := video.Find(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Scan(t.Context(), parts(t, one(box)()...), ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := plan.Encode(t.Context(), filepath.Join(t.TempDir(), "out.mp4"), Options{Tool: odd, FPS: 15, CRF: 29}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "in full") {
		t.Errorf("warnings %q", v.Warnings)
	}
}
