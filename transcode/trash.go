package transcode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// minPrefix is the length of the shortest prefix of an id that may name a session.
const minPrefix = 4

// InTrash returns what is in the trash of the volume, of the bucket, and of the spool, in
// this order: all items of the sessions whose ids begin with session; "" means all items. A
// bucket needs one request for each thousand objects.
func (p *Pool) InTrash(ctx context.Context, session string) ([]task.Trashed, error) {
	all := []task.Trashed{}
	add := func(item task.Trashed) {
		if strings.HasPrefix(item.Session, session) {
			all = append(all, item)
		}
	}
	if p.ReplayDir != "" && (p.Mount == nil || !p.Mount.None()) {
		err := cleanup.Trash{Root: p.ReplayDir}.List(ctx, func(i cleanup.Trashed) error {
			item := task.Trashed{Place: task.PlaceVolume, Path: i.Path, From: i.From, Day: i.Day, Kept: i.Kept, Folder: i.Folder, Bytes: i.Size}
			identify(&item, i.From)
			add(item)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list the trash on the replay volume: %w", err)
		}
	}
	if in, err := p.bucket(); err != nil {
		return nil, err
	} else if in != nil {
		err := storage.Trash{Storage: in}.List(ctx, func(i storage.Trashed) error {
			item := task.Trashed{Place: in.Place(), Path: i.Key, From: i.From, Day: i.Day, Kept: i.Kept, Bytes: i.Size}
			identify(&item, i.From)
			add(item)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list the trash in the replay storage: %w", err)
		}
	}
	if p.Trash != nil {
		err := p.Trash.Trashed(func(i upload.Trashed) error {
			add(task.Trashed{Session: i.Session, Place: task.PlaceSpool, Path: i.Path, From: i.Source, Day: i.Day, Kept: i.Kept, Folder: true, Bytes: i.Size})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list the trash of uploads: %w", err)
		}
	}
	return all, nil
}

// identify sets Session and MP4 from the item's original name.
func identify(t *task.Trashed, from string) {
	name := recording.ParseName(from)
	if name.Session == "" { // the folder of a recording in parts
		name = recording.ParseName(path.Join(from, path.Base(from)+".replay.json"))
	}
	t.Session = name.Session
	t.MP4 = name.Class == recording.ClassVideo || name.Class == recording.ClassCollision && strings.HasSuffix(from, ".mp4")
}

// bucket returns the bucket that MP4s go to; nil if they go to core's own storage.
func (p *Pool) bucket() (storage.Storage, error) {
	if p.Storage == nil {
		return nil, nil
	}
	in, err := p.Storage()
	if err != nil {
		return nil, fmt.Errorf("the replay storage: %w", err)
	}
	return in, nil
}

// Restore moves the originals of a session back to where they were, and returns them. session
// is the session's id or the beginning of it: at least four characters, with which no other
// id in the trash begins. by is who requested it.
//
// An original from the volume or the bucket is then not converted until its task is retried,
// and its MP4 stays where it is. If several items were retired from the same name, the first
// one is the original. An upload moves back to the spool, and is converted and published
// again.
//
// Restore may be called again after an error. Errors: [task.ErrNoOriginal], [task.ErrInPlace],
// [queue.ErrActive], [queue.ErrAmbiguous], and those of the places.
func (p *Pool) Restore(ctx context.Context, session, by string) ([]task.Trashed, error) {
	if len(session) < minPrefix {
		return nil, fmt.Errorf("%w: %q; name at least %d characters of its id", task.ErrNoOriginal, session, minPrefix)
	}
	all, err := p.InTrash(ctx, strings.ToLower(session))
	if err != nil {
		return nil, err
	}
	for _, item := range all {
		if item.Session != all[0].Session {
			return nil, fmt.Errorf("%w: %s and %s", queue.ErrAmbiguous, all[0].Session, item.Session)
		}
		session = item.Session
	}
	all = slices.DeleteFunc(all, func(i task.Trashed) bool { return i.MP4 })
	slices.SortStableFunc(all, func(a, b task.Trashed) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Path, b.Path)) })
	var files, uploads []task.Trashed
	seen := map[string]bool{}
	for _, item := range all { // in the order in which they were retired
		switch name := item.Place + "/" + item.From; {
		case item.Place == task.PlaceSpool:
			uploads = append(uploads, item)
		case !seen[name]:
			seen[name] = true
			files = append(files, item)
		}
	}
	switch {
	case len(files) > 0:
		return p.restoreFiles(ctx, session, by, files)
	case len(uploads) > 0:
		return p.restoreUpload(ctx, session, by, uploads[0])
	default:
		return nil, task.ErrNoOriginal
	}
}

// restoreFiles moves files, folders and objects back. It marks the task as restored before
// that, so that no worker converts the files, and after that, with the files' source.
func (p *Pool) restoreFiles(ctx context.Context, session, by string, items []task.Trashed) ([]task.Trashed, error) {
	if err := p.markRestored(ctx, session, by, items); err != nil {
		return nil, err
	}
	var restored []task.Trashed
	for _, item := range items {
		err := p.record(ledger.Entry{
			Kind: ledger.KindRestored, Session: session, Date: path.Dir(item.From), Originals: []string{p.ledgerName(item)},
			Detail: "requested by " + by + " at " + time.Now().UTC().Format(time.RFC3339),
		})
		if err == nil {
			err = p.restore(ctx, item)
		}
		if err != nil {
			return restored, fmt.Errorf("%s: %w", item.From, err)
		}
		p.Log.Info("restored an original", "session", session, "place", item.Place, "from", item.Path, "to", item.From, "by", by)
		restored = append(restored, item)
	}
	return restored, p.markRestored(ctx, session, by, restored)
}

// ledgerName returns the name of an item in the ledger.
func (p *Pool) ledgerName(item task.Trashed) string {
	if item.Place == task.PlaceVolume {
		return item.Path
	}
	return item.Place + "/" + item.Path
}

// record adds an entry to the ledger, if there is one.
func (p *Pool) record(e ledger.Entry) error {
	if p.Ledger == nil {
		return nil
	}
	return p.Ledger.Append(e)
}

// restore moves one file, folder or object back.
func (p *Pool) restore(ctx context.Context, item task.Trashed) error {
	if item.Place == task.PlaceVolume {
		err := cleanup.Trash{Root: p.ReplayDir}.Restore(item.Path)
		if errors.Is(err, cleanup.ErrExists) {
			return task.ErrInPlace
		}
		return err
	}
	in, err := p.bucket()
	if err != nil {
		return err
	}
	_, err = storage.Trash{Storage: in}.Restore(ctx, item.Path)
	if errors.Is(err, storage.ErrTaken) {
		return task.ErrInPlace
	}
	return err
}

// markRestored marks a session's task as skipped, with the class restored, so that its
// originals are not converted. items are the originals, in the trash or restored.
func (p *Pool) markRestored(ctx context.Context, session, by string, items []task.Trashed) error {
	source, err := p.sourceOf(ctx, items)
	if err != nil {
		return err
	}
	return p.Queue.Leave(ctx, queue.Task{
		ID: session, Source: task.Encode(source), Fingerprint: source.Fingerprint(), Date: source.ModTime.UTC(),
		Reason: task.ClassRestored, Error: "restored for " + by,
	}, func(t *queue.Task) {
		j := task.JournalOf(t.Data)
		j.Retired = slices.DeleteFunc(j.Retired, func(trashed string) bool {
			return slices.ContainsFunc(items, func(i task.Trashed) bool { return trashed == p.ledgerName(i) })
		})
		t.Data = task.Encode(j)
	})
}

// sourceOf returns the source of a restored recording: the one on the volume, or otherwise
// the one in the bucket. For an item that is still in the trash, the source has its size
// only.
func (p *Pool) sourceOf(ctx context.Context, items []task.Trashed) (task.Source, error) {
	var source task.Source
	for _, item := range items {
		if item.Place != task.PlaceVolume {
			continue
		}
		source.Path = item.From
		if item.Folder {
			source.Path = path.Join(item.From, path.Base(item.From)+".replay.json")
		}
		rec, err := recording.OpenIncomplete(filepath.Join(p.ReplayDir, filepath.FromSlash(source.Path)))
		if err == nil {
			source.Size, source.ModTime = rec.Size, rec.ModTime
		} else { // it is still in the trash, or damaged
			source.Size = item.Bytes
		}
		return source, nil
	}
	in, err := p.bucket()
	if err != nil || in == nil {
		return source, err
	}
	b := &task.BucketSource{Place: in.Place()}
	source.Bucket = b
	for _, item := range items {
		o, err := in.Stat(ctx, item.From)
		if errors.Is(err, storage.ErrNotFound) {
			o, err = storage.Object{Key: item.From, Size: item.Bytes}, nil // it is still in the trash
		}
		if err != nil {
			return source, err
		}
		source.Size += o.Size
		if o.ModTime.After(source.ModTime) {
			source.ModTime = o.ModTime
		}
		switch recording.ParseName(item.From).Class {
		case recording.ClassOriginal, recording.ClassIndex: // the object of Key is the first one
			b.Key, b.Objects = o.Key, append([]storage.Object{o}, b.Objects...)
		default:
			b.Objects = append(b.Objects, o)
		}
	}
	if b.Key == "" {
		b.Key = b.Objects[0].Key
	}
	return source, nil
}

// restoreUpload moves an upload back into the spool, and queues it to be converted and
// published again.
func (p *Pool) restoreUpload(ctx context.Context, session, by string, item task.Trashed) ([]task.Trashed, error) {
	p.Log.Info("restoring an upload", "session", session, "upload", item.From, "by", by)
	t, err := p.Queue.Get(ctx, session)
	switch {
	case err == nil && task.SourceOf(t).Spool == item.From:
		return []task.Trashed{item}, p.Retry(ctx, session)
	case err == nil && t.Held():
		return nil, queue.ErrActive
	case err != nil && !errors.Is(err, queue.ErrNotFound):
		return nil, err
	}
	id, _, _ := strings.Cut(item.From, "/")
	p.spool.remove(item.From)
	if err := p.Trash.Restore(id); err != nil {
		return nil, err
	}
	return []task.Trashed{item}, p.Upload(ctx, session, item.From)
}
