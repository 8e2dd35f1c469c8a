package ledger

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPicturesStayTheSameHoweverTheyArePacked: remuxing keeps the hash, and other
// changes do not. The command in the documentation of Pictures returns the same
// hash.
func TestPicturesStayTheSameHoweverTheyArePacked(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("no ffmpeg")
	}
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), ffmpeg, append([]string{"-v", "error", "-y"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	pictures := func(name string) string {
		t.Helper()
		sum, err := Pictures(t.Context(), ffmpeg, filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	run("-f", "lavfi", "-i", "testsrc=duration=3:size=128x96:rate=5", "-f", "lavfi", "-i", "sine=duration=3", "-c:v", "libx264", "-metadata", "comment=a", "a.mp4")
	run("-f", "lavfi", "-i", "testsrc2=duration=3:size=128x96:rate=5", "-c:v", "libx264", "-metadata", "comment=a", "other.mp4")
	want := pictures("a.mp4")
	if got := run("-i", "a.mp4", "-map", "0:v:0", "-c", "copy", "-f", "hash", "-hash", "sha256", "-"); got != "SHA256="+want+"\n" {
		t.Errorf("the command gives %q, not %s", got, want)
	}
	for name, args := range map[string][]string{
		"index in front":    {"-map", "0", "-movflags", "+faststart"},
		"without sound":     {"-map", "0:v"},
		"another comment":   {"-map", "0", "-metadata", "comment=b"},
		"as fragments":      {"-map", "0", "-movflags", "frag_keyframe+empty_moov"},
		"sound comes first": {"-map", "0:a", "-map", "0:v"},
	} {
		run(append(append([]string{"-i", "a.mp4", "-c", "copy"}, args...), "b.mp4")...)
		if got := pictures("b.mp4"); got != want {
			t.Errorf("%s: %s instead of %s", name, got, want)
		}
	}
	run("-i", "a.mp4", "-c", "copy", "-t", "2", "short.mp4")
	for _, name := range []string{"other.mp4", "short.mp4"} {
		if pictures(name) == want {
			t.Errorf("%s has the same pictures", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "rubbish.mp4"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("-i", "a.mp4", "-map", "0:a", "-c", "copy", "sound.mp4")
	for _, name := range []string{"rubbish.mp4", "sound.mp4"} {
		if sum, err := Pictures(t.Context(), ffmpeg, filepath.Join(dir, name)); !errors.Is(err, ErrPictures) {
			t.Errorf("%s: %s, %v", name, sum, err)
		}
	}
	if _, err := Pictures(t.Context(), ffmpeg, filepath.Join(dir, "none.mp4")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Pictures(t.Context(), "/nonexistent/ffmpeg", filepath.Join(dir, "a.mp4")); err == nil || errors.Is(err, ErrPictures) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Pictures(ctx, ffmpeg, filepath.Join(dir, "a.mp4")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
