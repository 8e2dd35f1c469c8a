package main

import (
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// TestASessionWithAnEmptyPartBecomesAnMP4: guacd may hang when Lion begins the last part of a
// session. That part is then empty, and the others are good.
func TestASessionWithAnEmptyPartBecomesAnMP4(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	from := t.TempDir()
	if err := os.CopyFS(from, os.DirFS(sample(t, "multipart/v4/*/*"))); err != nil {
		t.Fatal(err)
	}
	parts, err := filepath.Glob(filepath.Join(from, "*.0.part.gz"))
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	f, err := os.Create(parts[0][:len(parts[0])-len("0.part.gz")] + "17.part.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gzip.NewWriter(f).Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	lion, id := l.lion(liontest.Parts), "eeeeeeee-5555-4111-8111-111111111111"
	l.recorded(lion, id, from)
	l.ended(lion, id)
	l.until("an MP4", func() bool { return l.served(id) == "mp4" && l.events(id) == toldOfUpload })
}
