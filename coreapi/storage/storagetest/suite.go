package storagetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// Names of a recording.
const (
	Day   = "2024-04-23"
	SID   = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	Gz    = Day + "/" + SID + ".replay.gz"
	MP4   = Day + "/" + SID + ".replay.mp4"
	Index = Day + "/" + SID + "/" + SID + ".replay.json"
	Part0 = Day + "/" + SID + "/" + SID + ".0.part.gz"
)

// Body returns a text as a body.
func Body(text string) storage.Body {
	sum := sha256.Sum256([]byte(text))
	return storage.Body{ReaderAt: strings.NewReader(text), Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
}

// Large returns a body of random bytes.
func Large(size int) storage.Body {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	sum := sha256.Sum256(b)
	return storage.Body{ReaderAt: bytes.NewReader(b), Size: int64(size), SHA256: hex.EncodeToString(sum[:])}
}

// Opener connects to a bucket, each time as another process would.
type Opener func(t *testing.T) storage.Storage

// Conformance checks that a storage does what [storage.Storage] documents. The
// bucket is empty before; afterwards it contains objects.
func Conformance(t *testing.T, open Opener) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, storage.Storage, Opener)
	}{
		{"objects", testObjects}, {"missing", testMissing}, {"listing", testListing}, {"moving", testMoving},
		{"large", testLarge}, {"publish", testPublish}, {"download", testDownload}, {"trash", testTrash}, {"restore", testRestore}, {"names", testNames},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			empty(t, s)
			test.run(t, s, open)
		})
	}
}

// empty deletes everything.
func empty(t *testing.T, s storage.Storage) {
	t.Helper()
	for _, key := range keys(t, s, storage.Query{}) {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
}

// keys lists all pages of a query: objects, and folders with their slash.
func keys(t *testing.T, s storage.Storage, q storage.Query) []string {
	t.Helper()
	var all []string
	for range 10_000 {
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.Objects) + len(page.Folders); n > q.Limit() {
			t.Fatalf("%d entries on a page of %d", n, q.Limit())
		}
		for _, o := range page.Objects {
			all = append(all, o.Key)
		}
		all = append(all, page.Folders...)
		if q.After = page.Next; q.After == "" {
			return all
		}
	}
	t.Fatal("the listing does not end")
	return nil
}

func put(t *testing.T, s storage.Storage, key, text string) {
	t.Helper()
	if err := s.Put(t.Context(), key, Body(text)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s storage.Storage, key string, offset int64) string {
	t.Helper()
	r, err := s.Get(t.Context(), key, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func testObjects(t *testing.T, s storage.Storage, _ Opener) {
	for _, text := range []string{"first", "", "the second, which is longer"} {
		put(t, s, Gz, text)
		o, err := s.Stat(t.Context(), Gz)
		if err != nil {
			t.Fatal(err)
		}
		if o.Key != Gz || o.Size != int64(len(text)) || o.SHA256 != Body(text).SHA256 || o.ETag == "" || o.ModTime.IsZero() || o.Archived {
			t.Errorf("%+v", o)
		}
		if got := get(t, s, Gz, 0); got != text {
			t.Errorf("%q in place of %q", got, text)
		}
		if err := storage.Verify(t.Context(), s, Gz, Body(text)); err != nil {
			t.Error(err)
		}
	}
	if got := get(t, s, Gz, 4); got != "second, which is longer" {
		t.Errorf("from 4: %q", got)
	}
	used := s.Usage()
	put(t, s, Part0, strings.Repeat("x", 100_000))
	if d := s.Usage().Sub(used); d.Requests < 1 || d.Sent < 100_000 {
		t.Errorf("counted %+v", d)
	}
	if err := storage.Verify(t.Context(), s, Part0, Body(strings.Repeat("y", 100_000))); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("other bytes of the same length: %v", err)
	}
}

func testMissing(t *testing.T, s storage.Storage, _ Opener) {
	for range 2 {
		put(t, s, Gz+".longer", "x")
		if _, err := s.Stat(t.Context(), Gz); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("stat: %v", err)
		}
		if r, err := s.Get(t.Context(), Gz, 0); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("get: %v, %v", r, err)
		}
		if err := s.Move(t.Context(), Gz, MP4); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("move: %v", err)
		}
		if err := s.Delete(t.Context(), Gz); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, err := s.Stat(t.Context(), Gz+".longer"); err != nil {
			t.Errorf("the longer name is gone: %v", err)
		}
		if err := s.Delete(t.Context(), Gz+".longer"); err != nil {
			t.Error(err)
		}
		page, err := s.List(t.Context(), storage.Query{Prefix: "nothing/"})
		if err != nil || len(page.Objects)+len(page.Folders) != 0 || page.Next != "" {
			t.Errorf("%+v, %v", page, err)
		}
	}
}

func testListing(t *testing.T, s storage.Storage, open Opener) {
	want := []string{
		"2024-04-22/a.replay.gz", "2024-04-23/a.replay.gz", "2024-04-23/b.replay.gz", "2024-04-23/c/c.0.part.gz",
		"2024-04-23/c/c.replay.json", "2024-04-23/d.replay.gz", "2024-04-24/a.replay.gz", "other/x",
	}
	for i, key := range want {
		put(t, s, key, strings.Repeat("x", i))
	}
	for _, size := range []int{0, 1, 2, 3, 8} {
		if d := cmp.Diff(want, keys(t, s, storage.Query{Max: size})); d != "" {
			t.Errorf("pages of %d: %s", size, d)
		}
		if d := cmp.Diff(want[1:6], keys(t, s, storage.Query{Prefix: "2024-04-23/", Max: size})); d != "" {
			t.Errorf("one day in pages of %d: %s", size, d)
		}
		if d := cmp.Diff([]string{"2024-04-22/", "2024-04-23/", "2024-04-24/", "other/"}, keys(t, s, storage.Query{Folders: true, Max: size})); d != "" {
			t.Errorf("folders in pages of %d: %s", size, d)
		}
	}
	if d := cmp.Diff([]string{"2024-04-23/", "2024-04-24/"}, keys(t, s, storage.Query{Prefix: "2024-04-2", After: first(t, s, "2024-04-2"), Folders: true, Max: 1})); d != "" {
		t.Errorf("folders that begin alike: %s", d)
	}
	day, err := s.List(t.Context(), storage.Query{Prefix: "2024-04-23/", Folders: true})
	if err != nil || len(day.Objects) != 3 || len(day.Folders) != 1 || day.Folders[0] != "2024-04-23/c/" {
		t.Errorf("%+v, %v", day, err)
	}
	if len(day.Objects) > 2 && (day.Objects[2].Size != 5 || day.Objects[2].ModTime.IsZero() || day.Objects[2].ETag == "") {
		t.Errorf("%+v", day.Objects[2])
	}
	// Another process continues the listing, although the object where it continues
	// was deleted.
	two, err := s.List(t.Context(), storage.Query{Prefix: "2024-04-23/", Max: 2})
	if err != nil || two.Next == "" {
		t.Fatalf("%+v, %v", two, err)
	}
	if err := s.Delete(t.Context(), want[2]); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want[3:6], keys(t, open(t), storage.Query{Prefix: "2024-04-23/", After: two.Next, Max: 2})); d != "" {
		t.Error(d)
	}
	used := s.Usage()
	keys(t, s, storage.Query{Prefix: "2024-04-23/"})
	if d := s.Usage().Sub(used); d.Requests != 1 {
		t.Errorf("a page costs %d requests", d.Requests)
	}
}

// first returns the After of a page that begins with the first folder with a
// prefix.
func first(t *testing.T, s storage.Storage, prefix string) string {
	t.Helper()
	page, err := s.List(t.Context(), storage.Query{Prefix: prefix, Folders: true, Max: 1})
	if err != nil || len(page.Folders) != 1 || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	return page.Next
}

func testMoving(t *testing.T, s storage.Storage, _ Opener) {
	put(t, s, Gz, "original")
	to := ".trash/2024-05-01/" + Gz
	for range 2 { // at the second call it was moved already
		if err := s.Move(t.Context(), Gz, to); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stat(t.Context(), Gz); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
	}
	if o, err := s.Stat(t.Context(), to); err != nil || o.SHA256 != Body("original").SHA256 {
		t.Errorf("%+v, %v", o, err)
	}
	put(t, s, Gz, "original") // the copy was made, but the old object was not deleted
	if err := s.Move(t.Context(), Gz, to); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, to, 0); got != "original" {
		t.Errorf("%q", got)
	}
	if d := cmp.Diff([]string{to}, keys(t, s, storage.Query{})); d != "" {
		t.Error(d)
	}
}

// LargeSize is more than one request can carry.
const LargeSize = 101 << 20

func testLarge(t *testing.T, s storage.Storage, _ Opener) {
	Heavy(t)
	body := Large(LargeSize)
	used := s.Usage()
	if err := s.Put(t.Context(), MP4, body); err != nil {
		t.Fatal(err)
	}
	if d := s.Usage().Sub(used); d.Requests < int64(len(storage.Split(LargeSize))) || d.Sent > LargeSize+LargeSize/20 {
		t.Errorf("%+v", d)
	}
	if o, err := s.Stat(t.Context(), MP4); err != nil || o.Size != LargeSize || o.SHA256 != body.SHA256 {
		t.Errorf("%+v, %v", o, err)
	}
	if err := storage.Verify(t.Context(), s, MP4, body); err != nil {
		t.Error(err)
	}
	if err := s.Move(t.Context(), MP4, MP4+"2"); err != nil {
		t.Error(err)
	}
	if err := storage.Verify(t.Context(), s, MP4+"2", body); err != nil {
		t.Error(err)
	}
}

func testPublish(t *testing.T, s storage.Storage, open Opener) {
	put(t, s, MP4, "a stale one")
	if err := storage.Publish(t.Context(), s, MP4, Body("the video")); err != nil {
		t.Fatal(err)
	}
	again := open(t)
	if err := storage.Publish(t.Context(), again, MP4, Body("the video")); err != nil {
		t.Fatal(err)
	}
	if u := again.Usage(); u.Sent != 0 {
		t.Errorf("sent again: %+v", u)
	}
	if got := get(t, s, MP4, 0); got != "the video" {
		t.Errorf("%q", got)
	}
}

func testDownload(t *testing.T, s storage.Storage, _ Opener) {
	put(t, s, Gz, "original")
	to := filepath.Join(t.TempDir(), "x.replay.gz")
	o, err := storage.Download(t.Context(), s, Gz, to, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(to)
	if err != nil || string(b) != "original" {
		t.Errorf("%q, %v", b, err)
	}
	if st, err := os.Stat(to); err != nil || !st.ModTime().Equal(o.ModTime) {
		t.Errorf("%v, %v", st, err)
	}
	for key, want := range map[string]error{MP4: storage.ErrNotFound, Gz: syscall.ENOSPC} {
		if _, err := storage.Download(t.Context(), s, key, to+"2", 1<<60); !errors.Is(err, want) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// testNames: keys are stored as they are, whatever must be escaped in requests.
func testNames(t *testing.T, s storage.Storage, _ Opener) {
	for _, key := range []string{"a b+c%20d.gz", "ünïcode/日志.gz", "x=1&y=2.gz", "q?#.gz"} {
		put(t, s, key, key)
		if got := get(t, s, key, 0); got != key {
			t.Errorf("%q: %q", key, got)
		}
		if d := cmp.Diff([]string{key}, keys(t, s, storage.Query{Prefix: key[:len(key)-3]})); d != "" {
			t.Error(d)
		}
		if err := s.Move(t.Context(), key, "moved/"+key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}
