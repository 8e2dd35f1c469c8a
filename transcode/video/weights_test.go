package video

import (
	"image"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// shades makes a video of so many pictures, each of which x264 gets: all of them
// differs a little from the one before.
func shades(t *testing.T, opt Options, n int, each time.Duration) Report {
	t.Helper()
	e, err := tool(t).Start(t.Context(), opt)
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
		if err := e.Frame(time.Duration(i)*each, img, []image.Rectangle{img.Rect}); err != nil {
			t.Fatal(err)
		}
	}
	e.Lasts(time.Duration(n-1)*each + opt.slot())
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestPicturesThatStayForLongCostNoMore: x264 is not told of minutes, so that the
// video is as large as that of the same pictures seen for a second each.
func TestPicturesThatStayForLongCostNoMore(t *testing.T) {
	size := func(each time.Duration) int64 { return shades(t, options(t), 12, each).Bytes }
	brief, long := size(time.Second), size(9*time.Second)
	if difference := long - brief; difference > brief/50 || -difference > brief/50 {
		t.Errorf("%d bytes when pictures stay for a second, %d when for nine", brief, long)
	}
}

// TestPicturesThatGoAtOnceCostLess: x264 spends less on what is hardly seen.
func TestPicturesThatGoAtOnceCostLess(t *testing.T) {
	stay, gone := shades(t, options(t), 24, longest).Bytes, shades(t, options(t), 24, time.Second/15).Bytes
	if gone > stay*9/10 {
		t.Errorf("%d bytes when each picture is gone after a fifteenth of a second, %d when they stay", gone, stay)
	}
}

// TestKeyframesComeByTheTrueTime: one at least for every two minutes of the
// recording in which something happens, whatever x264 is told of its times, and
// no more than that.
func TestKeyframesComeByTheTrueTime(t *testing.T) {
	opt := options(t)
	const n, each = 60, 7*time.Second + 3*time.Millisecond
	report := shades(t, opt, n, each)
	var want []string
	for at, next := time.Duration(0), time.Duration(0); at < n*each; at += each {
		if at >= next {
			want, next = append(want, at.String()), at+keyEvery
		}
	}
	if err := tool(t).Verify(t.Context(), opt.Output, report); err != nil {
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
		t.Errorf("keyframes at %v instead of %v", have, want)
	}
}

// TestPicturesOfFilmsCountForLonger: when most of the screen changes time and again.
func TestPicturesOfFilmsCountForLonger(t *testing.T) {
	const slot = 66 * time.Millisecond
	last := func(n int, most func(i int) bool) time.Duration {
		w := weights{least: slot}
		var before, told time.Duration
		for i := range n {
			before, told = told, w.next(time.Duration(i)*slot, most(i))
		}
		return told - before
	}
	always := func(int) bool { return true }
	if d := last(3, always); d != slot {
		t.Errorf("the third picture: %s", d)
	}
	if d := last(30, always); d != filmFactor*slot {
		t.Errorf("a picture of a film: %s", d)
	}
	if d := last(30, func(i int) bool { return i%5 > 0 }); d != slot {
		t.Errorf("a picture of a screen on which much happens: %s", d)
	}
}
