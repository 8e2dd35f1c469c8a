package transcode

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Upload creates a task for an upload that is complete in the spool, unless there is or was
// one for it. path is that of the recording, relative to SpoolDir. Upload may be called
// repeatedly while the upload exists.
//
// Recordings of one session are worked on one after another. Upload returns
// [watcher.ErrInWork] for a second upload until the first has ended. It does so, too, while
// a recording from elsewhere is in progress, unless that one only waits to become complete.
func (p *Pool) Upload(ctx context.Context, session, path string) error {
	if p.spool.add(path); p.spool.hasEnded(path) {
		return nil
	}
	t, err := p.Queue.Get(ctx, session)
	if err != nil && !errors.Is(err, queue.ErrNotFound) {
		return fmt.Errorf("queue %s: %w", session, err)
	}
	if err == nil {
		switch other := task.SourceOf(t); {
		case other.Spool == path:
			journal := task.JournalOf(t.Data)
			if asIs := journal.Reached.AsIs(); t.State == queue.StateDone || asIs && t.State.Final() {
				p.uploadDone(path, journal.UploadEnd(), asIs) // the agent may have died before this call
			}
			return nil
		case t.State.Final() || t.State == queue.StateSettling && other.Spool == "":
		case other.Spool == "" || p.spool.has(other):
			return fmt.Errorf("%w; spool/%s waits", watcher.ErrInWork, path)
		}
	}
	rec, err := recording.Open(filepath.Join(p.SpoolDir, filepath.FromSlash(path)))
	if err != nil {
		return err
	}
	return p.submit(ctx, session, task.Source{Spool: path, Size: rec.Size, ModTime: rec.ModTime})
}

// Spooled sets which uploads are in the spool, by their paths relative to SpoolDir. Only
// these are worked on here: agents that share a queue may have a spool each.
func (p *Pool) Spooled(paths []string) { p.spool.set(paths) }

// uploadDone reports to Uploaded that the task of an upload no longer needs it.
func (p *Pool) uploadDone(path string, end task.UploadEnd, asIs bool) {
	if p.Uploaded != nil {
		id, _, _ := strings.Cut(path, "/")
		p.Uploaded(id, end, asIs)
	}
}

// spool is what the pool knows of the agent's uploads, by their paths in the spool.
type spool struct {
	mu    sync.Mutex      // guards the fields below
	here  map[string]bool // uploads in this agent's spool, as of the last look
	ended map[string]bool // uploads whose tasks have failed or were skipped
}

func (s *spool) add(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here == nil {
		s.here = map[string]bool{}
	}
	s.here[path] = true
}

// remove removes an upload from both sets, so that it is not worked on until it is added.
func (s *spool) remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.here, path)
	delete(s.ended, path)
}

func (s *spool) set(paths []string) {
	here := make(map[string]bool, len(paths))
	for _, path := range paths {
		here[path] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here = here
}

// has reports whether a source is an upload in this agent's spool.
func (s *spool) has(source task.Source) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return source.Spooled() && s.here[source.Spool]
}

// end records an upload whose task has failed or was skipped, and reports whether this is
// the first time. The upload stays in the spool for an operator. It is not offered again
// when another recording of its session replaces its task: two such uploads would replace
// each other forever.
func (s *spool) end(path string) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = map[string]bool{}
	}
	first = !s.ended[path]
	s.ended[path] = true
	return first
}

func (s *spool) hasEnded(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[path]
}
