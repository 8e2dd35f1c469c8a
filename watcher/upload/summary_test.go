package upload

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWaitingUploadsAreNotReadAgain every few seconds: a record is read only if its
// file was replaced.
func TestWaitingUploadsAreNotReadAgain(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	names, parts := lexicographic(2)
	complete, open := w.task(t, names[:1], parts), w.task(t, names, parts)
	w.part(t, "lion", complete, 0, names[0], parts[names[0]])
	all, err := spool.Complete()
	if err != nil || len(all) != 1 || all[0] != (Waiting{complete, session, filepath.Join(complete, session+".replay.json")}) {
		t.Fatal(all, err)
	}
	record := filepath.Join(spool.Dir, complete, taskFile)
	was, err := os.Stat(record)
	if err != nil {
		t.Fatal(err)
	}
	// The same file with other bytes, which does not happen: reading it fails.
	f, err := os.OpenFile(record, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(bytes.Repeat([]byte("x"), int(was.Size())))
		f.Close()
	}
	if err == nil {
		err = os.Chtimes(record, was.ModTime(), was.ModTime())
	}
	if err != nil {
		t.Fatal(err)
	}
	if again, err := spool.Complete(); err != nil || len(again) != 1 || again[0] != all[0] {
		t.Error("it was read again:", again, err)
	}
	for i := range names {
		w.part(t, "lion", open, i, names[i], parts[names[i]])
	}
	if again, err := spool.Complete(); err != nil || len(again) != 2 {
		t.Error("what has changed is not read:", again, err)
	}
	if err := os.RemoveAll(filepath.Join(spool.Dir, complete)); err != nil {
		t.Fatal(err)
	}
	if again, err := spool.Complete(); err != nil || len(again) != 1 || again[0].ID != open || len(spool.seen) != 1 {
		t.Error("what is gone is remembered:", again, err, len(spool.seen))
	}
}

// TestTheIndexHasAFileOfItsOwn, which is byte for byte that of the client. Uploads
// whose record contains it, as in earlier releases, can still be completed.
func TestTheIndexHasAFileOfItsOwn(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	names, parts := lexicographic(1)
	meta := fmt.Sprintf(`{"id":%q,  "odd":[1,2],"files":[{"name":%q}]}`, session, names[0])
	begin := func() string {
		_, answer := w.send(t, http.MethodPost, taskPath, "application/json", "lion", strings.NewReader(`{"meta":`+meta+`}`))
		id, _ := answer["id"].(string)
		return id
	}
	ours, earlier := begin(), begin()
	if data, err := os.ReadFile(filepath.Join(spool.Dir, ours, taskFile)); err != nil || bytes.Contains(data, []byte("index")) {
		t.Errorf("%s %v", data, err)
	}
	old, err := spool.Get(earlier)
	if err != nil {
		t.Fatal(err)
	}
	old.InParts, old.Index = false, []byte(meta)
	if err := spool.write(old); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(spool.Dir, earlier, indexFile)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{ours, earlier} {
		if status, answer := w.part(t, "lion", id, 0, names[0], parts[names[0]]); status != http.StatusOK {
			t.Error(status, answer)
		}
		if got, err := os.ReadFile(filepath.Join(spool.Dir, id, session+".replay.json")); err != nil || string(got) != meta {
			t.Errorf("%s %v", got, err)
		}
	}
	all, err := spool.Complete()
	if err != nil || len(all) != 2 {
		t.Error(all, err)
	}
	spool.intact(t, "both", all)
}
