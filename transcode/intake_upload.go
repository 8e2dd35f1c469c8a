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

// Upload takes an upload that is complete in the spool: it becomes a task
// unless there is one, or was, for it. path is that of the recording, relative
// to SpoolDir. It may be called again for as long as the upload is there.
//
// Recordings of one session are worked on one after the other: [ErrInWork] for
// an upload that comes second, until the first has ended, or waits for what may
// never come.
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
			if t.State == queue.StateDone || task.JournalOf(t.Data).Reached.AsIs() && t.State.Final() {
				p.uploadDone(path, endOf(t)) // the agent died before it could say so
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

// endOf is what becomes of the upload of a task that is done.
func endOf(t queue.Task) task.UploadEnd {
	if v := task.JournalOf(t.Data).Video; v != nil && len(v.Missing) > 0 {
		return task.UploadKept
	}
	return task.UploadStored
}

// Spooled says which uploads are in the spool: no others can be worked on
// here. Agents that share a queue do what each finds in its own spool.
func (p *Pool) Spooled(paths []string) { p.spool.set(paths) }

// uploadDone tells that an upload is done with.
func (p *Pool) uploadDone(path string, end task.UploadEnd) {
	if p.Uploaded != nil {
		id, _, _ := strings.Cut(path, "/")
		p.Uploaded(id, end)
	}
}

// spool is what the pool knows of the agent's uploads, by place in the spool.
type spool struct {
	mu    sync.Mutex      // guards what follows
	here  map[string]bool // uploads that can be read here, as far as was looked
	ended map[string]bool // uploads that came to nothing
}

func (s *spool) add(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here == nil {
		s.here = map[string]bool{}
	}
	s.here[path] = true
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

// end notes an upload that came to nothing. It stays in the spool, for a human:
// when another recording of its session takes its task's place, it is not
// offered again, or two such would take turns for ever.
func (s *spool) end(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = map[string]bool{}
	}
	s.ended[path] = true
}

func (s *spool) hasEnded(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[path]
}
