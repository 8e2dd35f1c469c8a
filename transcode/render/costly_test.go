package render

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

// TestARecordingThatIsTooCostlyLeavesNothing: a recording of a few bytes that asks
// for days of sound is aborted, also with another codec, and no file is left.
func TestARecordingThatIsTooCostlyLeavesNothing(t *testing.T) {
	rec := parts(t, guactest.Costly()["silence"]())
	plan, err := Scan(t.Context(), rec, ScanOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range []string{"h264", "h264_vaapi"} { // the latter falls back to the former, but not because of this error
		out := filepath.Join(t.TempDir(), "out.mp4")
		start := time.Now()
		_, err := plan.Encode(t.Context(), out, Options{Tool: ffmpegTool(t), FPS: 15, CRF: 29, Codec: codec, Audio: true}, nil)
		if !errors.Is(err, guac.ErrTooCostly) {
			t.Errorf("%s: got %v after %s", codec, err, time.Since(start))
		}
		if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", codec, left, err)
		}
	}
}
