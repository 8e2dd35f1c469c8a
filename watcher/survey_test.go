package watcher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// age makes all files an hour old.
func age(t *testing.T, root string) {
	t.Helper()
	when := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, when, when))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSurvey(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../testdata/recordings/multipart/v4")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(root, os.DirFS("../testdata/recordings/tiny/v3")); err != nil {
		t.Fatal(err)
	}
	age(t, root)
	const day = "2024-04-23"
	id := func(n string) string { return "0b9d5f1e-6c1a-4f0e-8f3a-00000000000" + n }
	dump := "4.size,1.0,3.800,3.600;"
	for rel, text := range map[string]string{
		id("1") + ".replay.gz":                             dump,
		id("1") + ".replay.mp4":                            "shadowed",
		id("2") + ".replay.mp4":                            "done",
		id("3") + ".cast.gz":                               "terminal",
		id("4") + ".replay.gz":                             `{"id":"koko"}`,
		id("5") + ".replay.gz":                             "",
		id("6") + ".replay.gz":                             "junk",
		id("7") + "/" + id("7") + ".replay.json":           `{"files":[{"name":"` + id("7") + `.0.part.gz"}]}`,
		id("8") + "/" + id("8") + ".replay.json":           `no json`,
		id("9") + ".replay_aB3dE5g.gz":                     "collision",
		"notes.txt":                                        "x",
		id("2") + ".tar":                                   "download",
		"../.jumpserver-video-trash/x/" + id("1") + ".gz":  "hidden",
		"../2024-04-22/" + id("1") + ".replay.gz":          dump,
		"../2023-01-01/" + id("1") + ".replay.gz":          dump,
		id("0") + "/" + id("0") + ".0.part.gz":             "no index yet",
		"../not-a-day/" + id("1") + ".replay.gz":           dump,
		"../2024-04-22/" + id("2") + ".replay.gz.6eF3a19b": "download in progress",
	} {
		put(t, root, day+"/"+rel, text, time.Hour)
	}
	put(t, root, "2024-04-22/"+id("3")+".replay.gz", dump, 0)
	before := tree(t, root)
	var got []Day
	var files []File
	if err := Survey(t.Context(), root, day[:8]+"01", time.Minute, func(d Day) error { files = append(files, d.Files...); d.Files = nil; got = append(got, d); return nil }); err != nil {
		t.Fatal(err)
	}
	size := int64(len(dump))
	want := []Day{
		{Date: "2026-11-22", Convertible: got[0].Convertible},
		{Date: day, Convertible: Group{Recordings: 1, Bytes: size}, Done: Group{Recordings: 1, Bytes: 4}, Broken: Group{Recordings: 5}, Foreign: Group{Recordings: 4, Bytes: 8 + 13 + 9 + 1},
			Reasons: map[string]int{"empty": 1, "unknown": 1, "missing part": 1, "unusable index": 1, "no index": 1, "cast": 1, "koko JSON": 1, "collision": 1, "foreign": 1}},
		{Date: "2024-04-22", Convertible: Group{Recordings: 1, Bytes: size}, TooNew: Group{Recordings: 1, Bytes: size}, Foreign: Group{Recordings: 1, Bytes: 20}, Reasons: map[string]int{"in progress": 1}},
	}
	want[1].Broken.Bytes = int64(len("junk") + len(`{"files":[{"name":"`+id("7")+`.0.part.gz"}]}`) + len("no json") + len("no index yet"))
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got[0].Convertible.Recordings != 2 || got[0].Convertible.Bytes < 1000 {
		t.Errorf("%+v", got[0])
	}
	for _, f := range []File{
		{day + "/" + id("1") + ".replay.gz", size, AsConvertible, ""}, {day + "/" + id("2") + ".replay.mp4", 4, AsDone, ""},
		{"2024-04-22/" + id("3") + ".replay.gz", size, AsTooNew, ""}, {day + "/" + id("4") + ".replay.gz", 13, AsForeign, "koko JSON"},
		{day + "/" + id("6") + ".replay.gz", 4, AsBroken, "unknown"}, {day + "/notes.txt", 1, AsForeign, "foreign"},
	} {
		if !slices.Contains(files, f) {
			t.Errorf("%+v is not among %+v", f, files)
		}
	}
	if d := cmp.Diff(before, tree(t, root)); d != "" {
		t.Errorf("the volume has changed: %s", d)
	}
}

// TestLinksAreNamed: days and recordings that are links are not followed, but
// counted.
func TestLinksAreNamed(t *testing.T) {
	t.Parallel()
	root, elsewhere := t.TempDir(), t.TempDir()
	put(t, root, "2026-11-21/"+sid+".replay.mp4", "video", time.Hour)
	put(t, elsewhere, sid+".replay.gz", "x", time.Hour)
	for _, link := range []string{"2026-11-22", "2026-11-21/" + other + ".replay.gz", "notes"} {
		to := elsewhere
		if strings.Contains(link, "/") {
			to += "/" + sid + ".replay.gz"
		}
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	var got []Day
	var files []File
	if err := Survey(t.Context(), root, "", time.Minute, func(d Day) error { files = append(files, d.Files...); d.Files = nil; got = append(got, d); return nil }); err != nil {
		t.Fatal(err)
	}
	link := map[string]int{notFollowed: 1}
	want := []Day{
		{Date: "2026-11-22", Foreign: Group{Recordings: 1}, Reasons: link},
		{Date: "2026-11-21", Foreign: Group{Recordings: 1}, Done: Group{Recordings: 1, Bytes: 5}, Reasons: link},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(files) != 3 || files[0] != (File{"2026-11-22", 0, AsForeign, notFollowed}) {
		t.Errorf("%+v", files)
	}
	r := watch(t, root)
	r.Until("first poll", func() bool { return !r.w.Status().LastPoll.IsZero() })
	r.quiet(0)
}
