package coretest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Item 22.
func TestSlowWriteShowsTheFinalNameFirst(t *testing.T) {
	name := filepath.Join(t.TempDir(), day, sid+".replay.gz")
	pipe, feed := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- SlowWrite(t.Context(), name, pipe, 2, time.Millisecond) }()
	size := func() int64 {
		st, err := os.Stat(name)
		if err != nil {
			return -1
		}
		return st.Size()
	}
	eventually(t, "an empty file", func() bool { return size() == 0 })
	_, _ = io.WriteString(feed, "abcd")
	eventually(t, "a part of it", func() bool { return size() == 4 })
	_, _ = io.WriteString(feed, "e")
	feed.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "abcde" {
		t.Errorf("%q %v", b, err)
	}
	if err := SlowWrite(t.Context(), name, strings.NewReader("x"), 1, 0); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
}

func TestSlowWriteStopsInTheMiddle(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- SlowWrite(ctx, name, strings.NewReader("abcdef"), 3, time.Hour) }()
	eventually(t, "the first chunk", func() bool { b, _ := os.ReadFile(name); return string(b) == "abc" })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSlowDownloadHasATemporaryName(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, sid+".replay.gz")
	for _, tt := range []struct{ temp, pattern string }{
		{PartTemp(name, began), `\.replay\.gz\.tmp1713892507$`},
		{BotoTemp(name), `\.replay\.gz\.[0-9a-f]{8}$`},
	} {
		if !regexp.MustCompile(tt.pattern).MatchString(tt.temp) {
			t.Errorf("name %s", tt.temp)
		}
		pipe, feed := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- SlowDownload(t.Context(), name, tt.temp, pipe, 1, 0) }()
		_, _ = io.WriteString(feed, "ab")
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("the final name is there early: %v", err)
		}
		feed.Close()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(name) {
			t.Errorf("%v %v", entries, err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCollisionName(t *testing.T) {
	for name, pattern := range map[string]string{
		sid + ".replay.mp4": `^` + sid + `\.replay_[A-Za-z0-9]{7}\.mp4$`, sid + ".0.part.gz": `\.0\.part_[A-Za-z0-9]{7}\.gz$`,
	} {
		if got := CollisionName(name); !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
