package video

import (
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeFFmpeg writes a program to path that reports a version and encoders as ffmpeg
// does.
func fakeFFmpeg(t *testing.T, path, version string, encoders ...string) string {
	t.Helper()
	script := "#!/bin/sh\necho 'ffmpeg version " + version + "' >&2\n"
	for _, e := range encoders {
		script += "echo ' V..... " + e + " '\n"
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBundledFFmpegIsPreferred(t *testing.T) {
	dir := t.TempDir()
	program, link := filepath.Join(dir, "usr/bin/jumpserver-video"), filepath.Join(dir, "link")
	fakeFFmpeg(t, program, "none")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	small := fakeFFmpeg(t, filepath.Join(dir, "usr/lib/jumpserver-video/ffmpeg"), "5.1.9-ours", "libx264", "aac")
	full := fakeFFmpeg(t, filepath.Join(dir, "path/ffmpeg"), "7.0", "libx264", "aac", "libx265", "h264_vaapi")
	unusable := fakeFFmpeg(t, filepath.Join(dir, "unusable/ffmpeg"), "6.0", "aac")
	old := fakeFFmpeg(t, filepath.Join(dir, "old/ffmpeg"), "4.2.10", "libx264", "aac", "libx265")
	t.Setenv("PATH", filepath.Dir(full)+":/bin:/usr/bin")
	if got := candidatesFor(link); filepath.Clean(got[0]) != small || got[len(got)-1] != "ffmpeg" || got[len(got)-2] != bundledPath {
		t.Errorf("%q", got)
	}
	without := slices.DeleteFunc(candidatesFor(link), func(p string) bool { return p == bundledPath }) // one may be installed on this machine
	for _, tt := range []struct {
		paths       []string
		codec, want string
	}{
		{without, "", small},
		{without, "h264", small},
		{without, "hevc", full},
		{without, "h264_vaapi", full},
		{without, "av1", small}, // neither can, so H.264 is used
		{[]string{"/nonexistent", "ffmpeg"}, "", full},
		{[]string{unusable, "ffmpeg"}, "", full},
		{[]string{old, small}, "hevc", small}, // the old one fails
	} {
		got, err := firstUsable(t.Context(), tt.paths, tt.codec)
		if err != nil || filepath.Clean(got.Path) != tt.want {
			t.Errorf("%q for %q: %+v, %v; want %s", tt.paths, tt.codec, got, err, tt.want)
		}
	}
	if _, err := firstUsable(t.Context(), []string{unusable}, ""); !errors.Is(err, ErrNoFFmpeg) || !strings.Contains(err.Error(), "libx264") {
		t.Errorf("an unusable ffmpeg: %v", err)
	}
	if _, err := firstUsable(t.Context(), []string{old}, ""); !errors.Is(err, ErrNoFFmpeg) || !strings.Contains(err.Error(), "4.4 or later") {
		t.Errorf("an old ffmpeg: %v", err)
	}
	if _, err := firstUsable(t.Context(), []string{"/nonexistent"}, ""); !errors.Is(err, ErrNoFFmpeg) {
		t.Errorf("no ffmpeg: %v", err)
	}
	if got, err := FindFor(t.Context(), unusable, ""); !errors.Is(err, ErrNoFFmpeg) {
		t.Errorf("an explicit path must not fall back to another ffmpeg: %+v, %v", got, err)
	}
}

// TestEncoderNamesMatchOptions checks that the encoder that is looked for is the one
// used.
func TestEncoderNamesMatchOptions(t *testing.T) {
	for _, name := range []string{"", "h264", "hevc", "av1", "h264_vaapi", "hevc_nvenc"} {
		c, err := codecFor(Options{Codec: name, Width: 640, Height: 480})
		if err != nil || !slices.Contains(c.encodeOptions, encoderFor(name)) {
			t.Errorf("%q: %q, %v", name, c.encodeOptions, err)
		}
	}
}

// TestBundledFFmpegSupportsEverything encodes and verifies a video with all features
// with the ffmpeg of packaging/ffmpeg, if it has been built.
func TestBundledFFmpegSupportsEverything(t *testing.T) {
	built, err := filepath.Glob("../../.cache/static/*/versions")
	if err != nil || len(built) == 0 {
		t.Skip("packaging/static/build was not run")
	}
	for _, versions := range built {
		path := filepath.Join(filepath.Dir(versions), "ship/ffmpeg")
		if exec.CommandContext(t.Context(), path, "-version").Run() != nil {
			continue // built for another machine
		}
		for _, codec := range []string{"h264", "hevc"} {
			small, err := FindFor(t.Context(), path, codec)
			if err != nil || small.hasCodec != (codec == "h264") {
				t.Fatalf("%s: %+v, %v", codec, small, err)
			}
			err = small.TryCodec(t.Context(), Options{Output: filepath.Join(t.TempDir(), "x.mp4"), Width: 320, Height: 240, FPS: 15, CRF: 29, Codec: codec})
			if small.hasCodec != (err == nil) {
				t.Error(fmt.Errorf("%s: %w", codec, err))
			}
		}
		small, err := Find(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		encodeFullVideo(t, small)
	}
}

// encodeFullVideo encodes and verifies a video with sound, subtitles and a poster.
func encodeFullVideo(t *testing.T, tool *Tool) {
	t.Helper()
	opt := options(t)
	opt.Audio, opt.Duration = &AudioFormat{Rate: 44100, Channels: 2}, 2*time.Second
	opt.Metadata = map[string]string{"title": "a video"}
	e, err := tool.Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	e.SetSubtitles([]Cue{{From: 0, To: time.Second, Text: "09:00:00"}})
	for i := range 20 {
		at := time.Duration(i) * 100 * time.Millisecond
		if err := e.AddFrame(at, scene(320, 240, i), []image.Rectangle{image.Rect(0, 0, 320, 240)}); err != nil {
			t.Fatal(err)
		}
		if err := e.AddAudio(at, 0, *opt.Audio, tone(44100, i*4410, 4410)); err != nil {
			t.Fatal(err)
		}
	}
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := tool.Verify(t.Context(), opt.Output, report); err != nil {
		t.Error(err)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", opt.Output).Output()
	if want := "h264\naac\nmov_text\nbin_data\nmjpeg\n"; err != nil || string(out) != want {
		t.Errorf("streams %q, %v; want %q", out, err, want)
	}
}
