package render

import (
	"fmt"
	"image"
	"slices"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
)

// noted is a sink that records the times of frames and sounds.
type noted struct{ frames, sounds []time.Duration }

func (n *noted) Frame(f guac.Frame) error      { n.frames = append(n.frames, f.Time); return nil }
func (n *noted) Audio(c guac.AudioChunk) error { n.sounds = append(n.sounds, c.Time); return nil }

// TestIdleStretchesAreShortened, depending on changes and sound. Frames that repeat
// a picture are kept as far as they fit, and the last frame is at the end.
func TestIdleStretchesAreShortened(t *testing.T) {
	const s = time.Second
	changed := []image.Rectangle{image.Rect(0, 0, 1, 1)}
	loud, quiet := make([]byte, 2*1000), make([]byte, 2*1000) // a second
	loud[7] = 1
	for name, tc := range map[string]struct {
		feed           func(to guac.Sink)
		total          time.Duration
		frames, sounds []time.Duration
		length         time.Duration
	}{
		"nothing is idle": {func(to guac.Sink) {
			for i := range 4 {
				_ = to.Frame(guac.Frame{Time: time.Duration(i) * 5 * s, Damage: changed})
			}
			_ = to.Frame(guac.Frame{Time: 18*s - 66*time.Millisecond})
		}, 18 * s, []time.Duration{0, 5 * s, 10 * s, 15 * s, 18*s - 67*time.Millisecond}, nil, 18 * s},
		"a long stretch and the end": {func(to guac.Sink) {
			_ = to.Frame(guac.Frame{Time: 0, Damage: changed})
			for _, at := range []time.Duration{3 * s, 5 * s, 13 * s} {
				_ = to.Frame(guac.Frame{Time: at})
			}
			_ = to.Frame(guac.Frame{Time: 60 * s, Damage: changed})
			_ = to.Frame(guac.Frame{Time: 70 * s})
			_ = to.Frame(guac.Frame{Time: 3600*s - 67*time.Millisecond})
		}, 3600 * s, []time.Duration{0, 3 * s, 5 * s, 10*s - 67*time.Millisecond}, nil, 10 * s},
		"sound is no idling": {func(to guac.Sink) {
			_ = to.Frame(guac.Frame{Time: 0, Damage: changed})
			_ = to.Audio(guac.AudioChunk{Time: 4 * s, Rate: 1000, Channels: 1, PCM: loud})
			_ = to.Audio(guac.AudioChunk{Time: 8 * s, Rate: 1000, Channels: 1, PCM: quiet})
			_ = to.Audio(guac.AudioChunk{Time: 30 * s, Rate: 1000, Channels: 1, PCM: loud})
			_ = to.Frame(guac.Frame{Time: 32 * s, Damage: changed})
			_ = to.Frame(guac.Frame{Time: 33*s - 67*time.Millisecond})
		}, 33 * s, []time.Duration{0, 12 * s, 13*s - 67*time.Millisecond}, []time.Duration{4 * s, 10 * s}, 13 * s},
	} {
		var to noted
		var skipped, length time.Duration
		short := &shortener{
			to: &to, limit: 5 * s, total: tc.total, slot: s / 15,
			skip: func(by time.Duration) { skipped += by }, end: func(d time.Duration) { length = d },
		}
		tc.feed(short)
		short.finish()
		if fmt.Sprint(to.frames) != fmt.Sprint(tc.frames) || !slices.Equal(to.sounds, tc.sounds) || length != tc.length || skipped != tc.total-tc.length || short.gone != skipped {
			t.Errorf("%s: frames %v, sounds %v, %s long, %s left out", name, to.frames, to.sounds, length, skipped)
		}
	}
}

// TestTheClockShowsTheTimeOfDay, from guacd's clock if it has one, and jumps where
// time was skipped.
func TestTheClockShowsTheTimeOfDay(t *testing.T) {
	const ms = time.Millisecond
	started := time.Date(2026, 7, 14, 10, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		first int64
		want  string
	}{
		"a clock of guacd's own": {1_784_024_130_500, "[{0s 500ms 2026-07-14 10:15:30 UTC} {500ms 1.5s 2026-07-14 10:15:31 UTC} {1.5s 2s 2026-07-14 10:15:32 UTC} {2s 2.5s 2026-07-14 11:15:32 UTC} {2.5s 2.8s 2026-07-14 11:15:33 UTC}]"},
		"since its host started": {5_272_299, "[{0s 1s 2026-07-14 10:00:00 UTC} {1s 2s 2026-07-14 10:00:01 UTC} {2s 2.8s 2026-07-14 11:00:02 UTC}]"},
	} {
		plan, err := Scan(t.Context(), parts(t, one(func(c *script) { c.size(8, 8); c.sync(tc.first); c.sync(tc.first + 10) })()...), ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		plan.Started = started
		if got := fmt.Sprint(plan.cues(2800*ms, []leftOut{{2 * time.Second, time.Hour}})); got != tc.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
