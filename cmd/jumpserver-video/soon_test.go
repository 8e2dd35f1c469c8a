package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// TestHowSoonARecordingIsAnMP4: with the default settings, and not counting the conversion, it
// takes half a minute on a local volume, and some seconds for an upload.
func TestHowSoonARecordingIsAnMP4(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	for _, name := range []string{"SETTLE_TIME", "SCAN_INTERVAL"} {
		delete(l.env, name)
	}
	l.startHealthy()
	slow := waittest.Patience() / time.Minute // on this machine
	wait := func(id string, began time.Time, most time.Duration) {
		t.Helper()
		v, err := l.agent.WaitTask(t.Context(), id, queue.StateDone)
		l.agent.Check(t, err)
		took := v.Updated.Sub(began) - time.Duration(v.Seconds*float64(time.Second))
		t.Logf("%s without the conversion, which took %.1f s", took.Round(100*time.Millisecond), v.Seconds)
		if took > most*slow {
			t.Errorf("%s took %s without the conversion", id, took)
		}
	}

	const flat, upload = "cccccccc-1111-4111-8111-111111111111", "cccccccc-2222-4111-8111-111111111111"
	l.session(flat)
	data, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(l.replay(), sessionDay, flat+".replay.gz")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // as core does
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil { //nolint:gosec // as core does
		t.Fatal(err)
	}
	wait(flat, time.Now(), 45*time.Second)

	lion := l.lion(liontest.Signed)
	l.recorded(lion, upload, sample(t, "tiny/v3/*/*.replay.gz"))
	l.ended(lion, upload)
	wait(upload, time.Now(), 5*time.Second)
}
