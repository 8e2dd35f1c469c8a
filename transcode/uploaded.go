package transcode

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	p.mu.Lock()
	if p.spool == nil {
		p.spool = map[string]bool{}
	}
	p.spool[path] = true
	p.mu.Unlock()
	if p.hasEnded(path) {
		return nil
	}
	t, err := p.Queue.Get(ctx, session)
	if err != nil && !errors.Is(err, queue.ErrNotFound) {
		return fmt.Errorf("queue %s: %w", session, err)
	}
	if err == nil {
		switch other := task.SourceOf(t); {
		case other.Spool == path:
			if t.State == queue.StateDone || task.JournalOf(t.Data).Fallback && t.State.Final() {
				p.uploadDone(path, true) // the agent died before it could say so
			}
			return nil
		case t.State.Final() || t.State == queue.StateSettling && other.Spool == "":
		case other.Spool == "" || p.inSpool(other):
			return fmt.Errorf("%w; spool/%s waits", watcher.ErrInWork, path)
		}
	}
	rec, err := recording.Open(abs(p.SpoolDir, path))
	if err != nil {
		return err
	}
	return p.submit(ctx, session, task.Source{Spool: path, Size: rec.Size, ModTime: rec.ModTime})
}

// Spooled says which uploads are in the spool: no others can be worked on
// here. Agents that share a queue do what each finds in its own spool.
func (p *Pool) Spooled(paths []string) {
	spool := make(map[string]bool, len(paths))
	for _, path := range paths {
		spool[path] = true
	}
	p.mu.Lock()
	p.spool = spool
	p.mu.Unlock()
}

// inSpool tells whether a source is an upload in this agent's spool, as far as
// it has looked.
func (p *Pool) inSpool(source task.Source) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return source.Spool != "" && p.spool[source.Spool]
}

// uploadDone tells that an upload is done with.
func (p *Pool) uploadDone(path string, stored bool) {
	if p.Uploaded != nil {
		id, _, _ := strings.Cut(path, "/")
		p.Uploaded(id, stored)
	}
}

// uploadEnded notes an upload that came to nothing. It stays in the spool, for
// a human: when another recording of its session takes its task's place, it is
// not offered again, or two such would take turns for ever.
func (p *Pool) uploadEnded(path string) {
	if path == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = map[string]bool{}
	}
	p.ended[path] = true
}

func (p *Pool) hasEnded(path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended[path]
}
