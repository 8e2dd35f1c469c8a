package convert

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// TestSimilarityComparesTheSameMoments: a good video is similar to what was drawn.
// The same video, delayed by three seconds, is not.
func TestSimilarityComparesTheSameMoments(t *testing.T) {
	files, err := filepath.Glob("../../../../testdata/recordings/tiny/v3/*/*.replay.gz")
	if err != nil || len(files) == 0 {
		t.Fatal("no recording", err)
	}
	tool, err := video.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := planOf(t.Context(), files[0])
	if err != nil {
		t.Fatal(err)
	}
	good, late := filepath.Join(t.TempDir(), "good.mp4"), filepath.Join(t.TempDir(), "late.mp4")
	if _, err := plan.Encode(t.Context(), good, render.Options{Tool: tool, FPS: 15, CRF: 29, Codec: "h264"}, nil); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool.Path, "-v", "error", "-i", good, "-map", "0:v:0", "-vf", "fps=25,tpad=start=75:start_mode=clone", "-preset", "ultrafast", late).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var found stills
	if err := plan.Play(t.Context(), 15, &found); err != nil {
		t.Fatal(err)
	}
	width, height := plan.Size()
	r := rival{measurement: &measurement{tool: tool}}
	same, err := r.similarity(t.Context(), good, found.kept, width, height)
	if err != nil {
		t.Fatal(err)
	}
	other, err := r.similarity(t.Context(), late, found.kept, width, height)
	if err != nil {
		t.Fatal(err)
	}
	if same < .985 || other > .95 {
		t.Errorf("%d moments: %.4f at the same time, %.4f three seconds later", len(found.kept), same, other)
	}
}
