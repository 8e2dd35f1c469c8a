package video

import (
	"bytes"
	"errors"
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestVerifyFindsDefects(t *testing.T) {
	opt := options(t)
	opt.Duration = time.Second
	times := ms(0, 100, 200, 300, 400, 500, 600, 700, 800, 933)
	report := encode(t, opt, times...)
	good, err := os.ReadFile(opt.Output)
	if err != nil {
		t.Fatal(err)
	}
	swapped := append([]FrameSample(nil), report.Samples...)
	swapped[2].Rows, swapped[6].Rows = swapped[6].Rows, swapped[2].Rows
	black := append([]FrameSample(nil), report.Samples...)
	black[3].Rows = bytes.Repeat([]byte{16}, len(black[3].Rows))
	for name, tc := range map[string]struct {
		data []byte
		want func(Report) Report
	}{
		"a missing frame":      {good, func(r Report) Report { r.Frames++; return r }},
		"wrong duration":       {good, func(r Report) Report { r.Duration += time.Second; return r }},
		"wrong size":           {good, func(r Report) Report { r.Width = 640; return r }},
		"missing sound":        {good, func(r Report) Report { r.Audio = true; return r }},
		"swapped frames":       {good, func(r Report) Report { r.Samples, r.digest = swapped, nil; return r }},
		"wrong picture":        {good, func(r Report) Report { r.Samples, r.digest = black, nil; return r }},
		"a truncated file":     {good[:len(good)*2/3], func(r Report) Report { return r }},
		"not an MP4":           {[]byte("this is not a video"), func(r Report) Report { return r }},
		"an empty file":        {nil, func(r Report) Report { return r }},
		"damaged picture data": {damaged(good), func(r Report) Report { return r }},
		"damaged, decoded":     {damaged(good), func(r Report) Report { r.digest = nil; return r }},
		"truncated, decoded":   {good[:len(good)*2/3], func(r Report) Report { r.digest = nil; return r }},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mp4")
			if err := os.WriteFile(path, tc.data, 0o600); err != nil {
				t.Fatal(err)
			}
			err := findTool(t).Verify(t.Context(), path, tc.want(report))
			var bad *VerifyError
			if !errors.As(err, &bad) {
				t.Errorf("got %v", err)
			} else {
				t.Log(err)
			}
		})
	}
}

// TestWrongPicturesAreFound checks that pictures are compared while they are muxed,
// and that Verify returns the result.
func TestWrongPicturesAreFound(t *testing.T) {
	opt := options(t)
	opt.Duration = 500 * time.Millisecond
	e, err := findTool(t).Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := range 5 {
		if err := e.AddFrame(time.Duration(i)*100*time.Millisecond, scene(opt.Width, opt.Height, i), []image.Rectangle{image.Rect(0, 0, opt.Width, opt.Height)}); err != nil {
			t.Fatal(err)
		}
	}
	e.sampler.samples[2].Rows = bytes.Repeat([]byte{16}, len(e.sampler.samples[2].Rows))
	report, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if report.digest == nil {
		t.Error("the pictures were not decoded while they were muxed")
	}
	var bad *VerifyError
	if err := findTool(t).Verify(t.Context(), opt.Output, report); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

// damaged changes one in a hundred bytes of the pictures.
func damaged(good []byte) []byte {
	b := append([]byte(nil), good...)
	for at := bytes.Index(b, []byte("mdat")) + 4; at < len(b); at += 100 {
		b[at] ^= 0x55
	}
	return b
}
