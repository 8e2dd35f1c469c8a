package bucket

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/watcher"
)

func TestSurvey(t *testing.T) {
	s := start(t)
	const day = "2024-04-23"
	for key, text := range map[string]string{
		day + "/" + id(1) + ".replay.gz":                 "recording",
		day + "/" + id(1) + ".replay.mp4":                "shadowed",
		day + "/" + id(2) + ".replay.mp4":                "done",
		day + "/" + id(3) + ".cast.gz":                   "terminal",
		day + "/" + id(4) + ".replay.gz":                 "",
		day + "/" + id(5) + "/" + id(5) + ".replay.json": "{}",
		day + "/" + id(6) + "/" + id(6) + ".replay.json": "{}",
		day + "/" + id(6) + "/" + id(6) + ".0.part.gz":   "part",
		day + "/notes.txt":                               "xyz",
		"2024-04-22/" + id(1) + ".replay.gz":             "x",
		"2020-01-01/" + id(1) + ".replay.gz":             "x",
	} {
		put(t, s, key, text)
	}
	var files []watcher.File
	survey := func(settle time.Duration) (got []watcher.Day) {
		t.Helper()
		if err := Survey(t.Context(), s, "2024-01-01", settle, func(d watcher.Day) error {
			files = append(files, d.Files...)
			d.Files = nil
			got = append(got, d)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := []watcher.Day{
		{Date: day, Convertible: watcher.Group{Recordings: 2, Bytes: 15}, Done: watcher.Group{Recordings: 1, Bytes: 4},
			Broken: watcher.Group{Recordings: 2, Bytes: 2}, Foreign: watcher.Group{Recordings: 2, Bytes: 8 + 3},
			Reasons: map[string]int{"empty": 1, "missing part": 1, "cast": 1, "foreign": 1}},
		{Date: "2024-04-22", Convertible: watcher.Group{Recordings: 1, Bytes: 1}},
	}
	if d := cmp.Diff(want, survey(0)); d != "" {
		t.Error(d)
	}
	for _, f := range []watcher.File{
		{Path: day + "/" + id(1) + ".replay.gz", Bytes: 9, As: watcher.AsConvertible}, {Path: day + "/" + id(2) + ".replay.mp4", Bytes: 4, As: watcher.AsDone},
		{Path: day + "/" + id(4) + ".replay.gz", As: watcher.AsBroken, Reason: "empty"}, {Path: day + "/notes.txt", Bytes: 3, As: watcher.AsForeign, Reason: "foreign"},
	} {
		if !slices.Contains(files, f) {
			t.Errorf("%+v is not among %+v", f, files)
		}
	}
	if got := survey(time.Hour); got[0].TooNew.Recordings != 3 || got[0].Convertible.Recordings != 0 || got[1].TooNew.Recordings != 1 {
		t.Errorf("%+v", got)
	}
}
