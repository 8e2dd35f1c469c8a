package video

import (
	"image"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// encodeShades encodes n pictures that all go to x264: everywhere each differs a
// little from the one before.
func encodeShades(t *testing.T, opt Options, n int, each time.Duration) Report {
	t.Helper()
	e, err := findTool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := range n {
		img := scene(opt.Width, opt.Height, i%2)
		for at := range img.Pix {
			if at%4 != 3 {
				img.Pix[at] -= uint8(i % 2 * (at / 64 % 8))
			}
		}
		if err := e.AddFrame(time.Duration(i)*each, img, []image.Rectangle{img.Rect}); err != nil {
			t.Fatal(err)
		}
	}
	e.SetDuration(time.Duration(n-1)*each + opt.slot())
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestLongPicturesCostNoMore checks that x264 is not given durations of minutes: the
// video has about the same size whether pictures stay for 1 s or for 9 s.
func TestLongPicturesCostNoMore(t *testing.T) {
	size := func(each time.Duration) int64 { return encodeShades(t, options(t), 12, each).Bytes }
	short, long := size(time.Second), size(9*time.Second)
	if difference := long - short; difference > short/50 || -difference > short/50 {
		t.Errorf("%d bytes with pictures of 1 s, %d bytes with pictures of 9 s", short, long)
	}
}

// TestShortPicturesCostLess checks that x264 spends fewer bits on short pictures.
func TestShortPicturesCostLess(t *testing.T) {
	long, short := encodeShades(t, options(t), 24, maxPictureTime).Bytes, encodeShades(t, options(t), 24, time.Second/15).Bytes
	if short > long*9/10 {
		t.Errorf("%d bytes with pictures of 1/15 s, %d bytes with longer ones", short, long)
	}
}

// TestKeyframesFollowTrueTime checks that there is a keyframe every two minutes of
// the recording if it changes, whatever times x264 is given, and no other keyframe.
func TestKeyframesFollowTrueTime(t *testing.T) {
	opt := options(t)
	const n, each = 60, 7*time.Second + 3*time.Millisecond
	report := encodeShades(t, opt, n, each)
	var want []string
	for at, next := time.Duration(0), time.Duration(0); at < n*each; at += each {
		if at >= next {
			want, next = append(want, at.String()), at+keyframeInterval
		}
	}
	if err := findTool(t).Verify(t.Context(), opt.Output, report); err != nil {
		t.Error(err)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", opt.Output).Output()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for line := range strings.Lines(string(out)) {
		if at, flags, _ := strings.Cut(strings.TrimSpace(line), ","); strings.HasPrefix(flags, "K") {
			d, err := time.ParseDuration(at + "s")
			if err != nil {
				t.Fatal(err)
			}
			have = append(have, d.String())
		}
	}
	if !slices.Equal(have, want) {
		t.Errorf("keyframes at %v, want %v", have, want)
	}
}

// TestFilmPicturesLastLonger checks the durations when most of the screen changes
// repeatedly.
func TestFilmPicturesLastLonger(t *testing.T) {
	const slot = 66 * time.Millisecond
	last := func(n int, most func(i int) bool) time.Duration {
		w := retimer{minPictureTime: slot}
		var before, out time.Duration
		for i := range n {
			before, out = out, w.next(time.Duration(i)*slot, most(i))
		}
		return out - before
	}
	always := func(int) bool { return true }
	if d := last(3, always); d != slot {
		t.Errorf("the third picture: %s", d)
	}
	if d := last(30, always); d != filmFactor*slot {
		t.Errorf("picture 30 of a film: %s", d)
	}
	if d := last(30, func(i int) bool { return i%5 > 0 }); d != slot {
		t.Errorf("picture 30 of a busy screen: %s", d)
	}
}
