package transcode

import (
	"context"
	"fmt"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// UploadTrash keeps uploads whose tasks no longer need them, until they expire.
type UploadTrash interface {
	// InTrash reports whether the upload with an id is in the trash.
	InTrash(id string) (bool, error)
	// Trashed calls visit for each upload in the trash. It stops at an error of visit, and
	// returns it.
	Trashed(visit func(upload.Trashed) error) error
	// Restore moves the upload with an id back into the spool.
	Restore(id string) error
}

// Retry puts a task back into the queue, due at once, and applies the changes in the same
// write; see [queue.Queue.Retry]. If the task's upload is in the trash, Retry restores it, and
// the task repeats all steps: core may have lost what it had. Errors: the queue's,
// [task.ErrUploadGone], and those of the trash.
func (p *Pool) Retry(ctx context.Context, id string, changes ...func(*queue.Task)) error {
	t, err := p.Queue.Get(ctx, id)
	if err != nil {
		return err
	}
	path := task.SourceOf(t).Spool
	if path == "" || p.Trash == nil || t.Held() {
		return p.Queue.Retry(ctx, id, changes...)
	}
	upload, _, _ := strings.Cut(path, "/")
	there, err := p.Trash.InTrash(upload)
	if err != nil {
		return err
	}
	journal := task.JournalOf(t.Data)
	switch {
	case !there && t.State == queue.StateDone && journal.Unseen:
		return fmt.Errorf("%w, and this agent cannot see what core has", task.ErrUploadGone)
	case !there:
		return p.Queue.Retry(ctx, id, changes...)
	}
	p.spool.remove(path) // no worker must take the task before the upload is restored
	afresh := func(t *queue.Task) { t.Data = task.Encode(task.JournalOf(t.Data).Afresh()) }
	err = p.Queue.Retry(ctx, id, append([]func(*queue.Task){afresh}, changes...)...)
	if err != nil {
		return err
	}
	if err := p.Trash.Restore(upload); err != nil {
		return err
	}
	p.spool.add(path)
	return nil
}
