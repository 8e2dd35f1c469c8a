package render

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// state is what the renderer shows after a sync: the brightness of every fourth
// pixel of every fourth line, as in the video.
type state struct {
	at  time.Duration
	pix []byte
}

const thinning = 4

// states keeps every state of a display. It is a sink of the renderer, which draws
// a thousand frames a second for it.
type states struct{ all []state }

func (s *states) Audio(guac.AudioChunk) error { return nil }

func (s *states) Frame(f guac.Frame) error {
	if len(f.Damage) == 0 { // a repeated frame
		return nil
	}
	one := state{at: f.Time}
	for y := 0; y < f.Image.Rect.Dy(); y += thinning {
		for x := 0; x < f.Image.Rect.Dx(); x += thinning {
			p := f.Image.Pix[f.Image.PixOffset(x, y):]
			one.pix = append(one.pix, byte(16.5+(0.2126*float64(p[0])+0.7152*float64(p[1])+0.0722*float64(p[2]))*219/255))
		}
	}
	s.all = append(s.all, one)
	return nil
}

// between returns the states that are shown at any time within a range.
func (s *states) between(from, to time.Duration) (some []state) {
	for i, one := range s.all {
		if one.at <= to && (i+1 == len(s.all) || s.all[i+1].at > from) {
			some = append(some, one)
		}
	}
	return some
}

// likeness returns the PSNR of a decoded frame and a state.
func likeness(frame shown, width int, want state) float64 {
	var sum float64
	n := 0
	for at := 0; at < len(frame.pix); at += thinning * width {
		for x := 0; x < width; x += thinning {
			d := float64(frame.pix[at+x]) - float64(want.pix[n])
			sum += d * d
			n++
		}
	}
	return 10 * math.Log10(255*255/max(sum/float64(n), 1e-9))
}

// TestRealRecordingsShowTheLastSync: at any time, the MP4 of a real recording shows
// the display at the last sync before that time, or at one within a slot of it. No
// other state of the display is more similar to the frame.
func TestRealRecordingsShowTheLastSync(t *testing.T) {
	names := []string{"tiny/v4", "tiny_main/v4", "resize/v3", "guacd_rec/v3", "multipart/v4"}
	if testing.Short() {
		names = names[:1]
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			found, err := filepath.Glob("../../testdata/recordings/" + name + "/*/*")
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			rec, err := recording.Open(found[0])
			if err != nil {
				t.Fatal(err)
			}
			v, plan := made(t, rec, Options{})
			var truth states
			if err := plan.Play(t.Context(), 1000, &truth); err != nil {
				t.Fatal(err)
			}
			frames := decoded(t, v)
			slot := time.Second / 15
			r := rand.New(rand.NewPCG(15, uint64(len(name))))
			worst, several := math.Inf(1), 0
			for range 40 {
				at := time.Duration(r.Int64N(int64(v.Duration)))
				now, due := seen(frames, at), truth.between(at-slot, at+slot)
				best, other := 0.0, 0.0
				for _, s := range due {
					best = max(best, likeness(now, v.Width, s))
				}
				for _, s := range truth.all {
					other = max(other, likeness(now, v.Width, s))
				}
				if worst = min(worst, best); best < 30 || other > best+1 {
					t.Errorf("at %s the video shows something else: %.1f dB alike, and another state %.1f dB", at, best, other)
				}
				if len(due) > 1 {
					several++
				}
			}
			t.Logf("%s: %d states, %d frames; the least alike %.1f dB; %d times between two states", strings.TrimSuffix(name, "/"), len(truth.all), len(frames), worst, several)
		})
	}
}

// seen returns the frame that is shown at a time.
func seen(frames []shown, at time.Duration) (now shown) {
	for _, f := range frames {
		if f.at <= at {
			now = f
		}
	}
	return now
}
