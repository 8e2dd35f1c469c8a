package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func anything(string, io.Reader) error { return nil }

// shared returns the spools of two agents in one folder.
func shared(t *testing.T) (a, b *Spool) {
	t.Helper()
	dir := t.TempDir()
	return &Spool{Dir: dir, Agent: "a", Keep: time.Hour}, &Spool{Dir: dir, Agent: "b", Keep: time.Hour}
}

// begun is an upload with that many parts that a has begun.
func begun(t *testing.T, a *Spool, parts int) Task {
	t.Helper()
	files := make([]File, parts)
	for i := range files {
		files[i].Name = fmt.Sprintf("%s.%d.part.gz", session, i)
	}
	task, err := a.Create(Task{Session: session, Caller: "lion", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// TestAnAgentThatStartsLeavesTheUploadsOfOthers, complete or not, and deletes its
// own unfinished ones, which no client continues.
func TestAnAgentThatStartsLeavesTheUploadsOfOthers(t *testing.T) {
	a, b := shared(t)
	theirs, complete := begun(t, a, 2), begun(t, a, 1)
	ours := begun(t, b, 2)
	unknown := filepath.Join(a.Dir, "7f3a1c3e-5a0e-4b6f-9a5e-0d2f6f6f0001") // its agent has not written task.json yet
	if err := os.Mkdir(unknown, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Store(t.Context(), theirs.ID, 0, bytes.NewReader([]byte("one")), anything); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Store(t.Context(), complete.ID, 0, bytes.NewReader([]byte("whole")), anything); err != nil {
		t.Fatal(err)
	}
	if _, done, err := a.Commit(complete.ID); !done || err != nil {
		t.Fatal(done, err)
	}
	if n, err := b.Recover(time.Now()); n != 1 || err != nil {
		t.Error(n, err)
	}
	if _, err := b.Get(ours.ID); !errors.Is(err, ErrNoTask) {
		t.Error("its own unfinished one stays:", err)
	}
	if _, err := os.Stat(unknown); err != nil {
		t.Error(err)
	}
	if _, err := a.Store(t.Context(), theirs.ID, 1, bytes.NewReader([]byte("two")), anything); err != nil {
		t.Error("the other agent cannot go on:", err)
	}
	if _, done, err := a.Commit(theirs.ID); !done || err != nil {
		t.Error(done, err)
	}
	if waiting, err := b.Complete(); err != nil || len(waiting) != 2 {
		t.Error("what any agent may do:", waiting, err)
	}
	if err := b.Finish(theirs.ID); err != nil {
		t.Error(err)
	}
	if err := a.Finish(theirs.ID); !errors.Is(err, ErrNoTask) {
		t.Error("done with twice:", err)
	}
}

// TestAgentsTakePartsOfOneUpload at the same moment, as behind a load balancer:
// each part is recorded, and exactly one request completes the upload.
func TestAgentsTakePartsOfOneUpload(t *testing.T) {
	a, b := shared(t)
	const parts = 40
	task := begun(t, a, parts)
	var group sync.WaitGroup
	var completed atomic.Int32
	for i := range parts {
		spool := a
		if i%2 == 1 {
			spool = b
		}
		group.Go(func() {
			if _, err := spool.Store(t.Context(), task.ID, i, bytes.NewReader(fmt.Append(nil, "part ", i)), anything); err != nil {
				t.Error(i, err)
			}
			if _, done, err := spool.Commit(task.ID); err != nil {
				t.Error(i, err)
			} else if done {
				completed.Add(1)
			}
		})
	}
	group.Wait()
	got, err := b.Get(task.ID)
	if err != nil || !got.Complete || completed.Load() != 1 {
		t.Errorf("complete %v, told %d times: %v", got.Complete, completed.Load(), err)
	}
	for i, f := range got.Files {
		if f.Size == 0 {
			t.Errorf("part %d was taken and is not noted", i)
		}
	}
}

// TestWhatAnotherAgentHasFinishedIsNotCounted among an account's unfinished
// uploads, nor what it has deleted.
func TestWhatAnotherAgentHasFinishedIsNotCounted(t *testing.T) {
	a, b := shared(t)
	a.MaxOpen = 2
	one, two := begun(t, a, 1), begun(t, a, 1)
	if _, err := a.Create(Task{Session: session, Caller: "lion", Files: one.Files}); !errors.Is(err, ErrMany) {
		t.Error(err)
	}
	if _, err := b.Store(t.Context(), one.ID, 0, bytes.NewReader([]byte("x")), anything); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Commit(one.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.Drop(two.ID); err != nil {
		t.Fatal(err)
	}
	begun(t, a, 1)
	begun(t, a, 1)
}

// TestAnUploadThatIsCompletedMeanwhileIsNotDropped: its client had a successful
// response.
func TestAnUploadThatIsCompletedMeanwhileIsNotDropped(t *testing.T) {
	a, b := shared(t)
	task := begun(t, a, 1)
	if _, err := b.Store(t.Context(), task.ID, 0, bytes.NewReader([]byte("x")), anything); err != nil {
		t.Fatal(err)
	}
	unlock, err := b.lock(task.ID) // b is about to complete it
	if err != nil {
		t.Fatal(err)
	}
	dropped := make(chan error)
	go func() {
		_, err := a.Recover(time.Now()) // a was just restarted
		dropped <- err
	}()
	select {
	case <-dropped:
		t.Fatal("it does not wait")
	case <-time.After(100 * time.Millisecond):
	}
	task.Complete = true
	if err := b.write(task); err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := <-dropped; err != nil {
		t.Error(err)
	}
	if got, err := b.Get(task.ID); err != nil || !got.Complete {
		t.Error(got, err)
	}
}
