package destination

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// retireRounds is how often Retire searches for copies that core has made
// meanwhile.
const retireRounds = 3

// Retire implements [Destination]. It retires the original in the bucket before the
// copies on the volume. Otherwise core could make new copies of it for a viewer.
// Copies that core made before are retired in another round.
func (b Bucket) Retire(ctx context.Context, d Delivery) (moved []string, err error) {
	for round := range retireRounds {
		found, err := b.obstacles(ctx, d)
		if err == nil {
			err = found.unknown()
		}
		if err == nil {
			err = b.retireStale(ctx, d, found)
		}
		if err != nil {
			return moved, err
		}
		if b.Originals == cleanup.PolicyKeep {
			d.Log.Info("the original stays because of ORIGINALS=keep; core may still serve it", "path", d.Source.Name())
			return moved, nil
		}
		to, err := b.retireAll(ctx, d, found, round == 0)
		moved = append(moved, to...)
		if err != nil || found.none() {
			return moved, err
		}
	}
	return moved, task.FailAs(task.ClassShadowed, task.Retries, "core fetches the original again each time it is removed, because someone is watching the session")
}

// retireStale moves MP4s on the volume that are not this one to the trash.
func (b Bucket) retireStale(ctx context.Context, d Delivery, found obstacles) error {
	for _, rel := range found.stale {
		if err := d.mustOwn(rel); err != nil {
			return err
		}
		sum, size, err := HashFile(ctx, abs(b.ReplayDir, rel))
		if err != nil {
			return err
		}
		to, err := b.volume().trashFor(ctx, d, abs(b.ReplayDir, rel)).Retire(rel)
		if err != nil {
			return fmt.Errorf("move the stale MP4 away: %w", err)
		}
		d.Log.Info("moved a stale MP4 on the volume to the trash", "to", to)
		if err := d.Aside(rel, sum, size, to); err != nil {
			return err
		}
	}
	return nil
}

// retireAll retires what was found, and in the first round the original's objects,
// wherever they are.
func (b Bucket) retireAll(ctx context.Context, d Delivery, found obstacles, first bool) (moved []string, err error) {
	moved, err = b.retireKeys(ctx, d, found, first)
	if err != nil {
		return moved, err
	}
	if d.Source.OnVolume() {
		to, err := b.volume().retireOriginal(d)
		moved = append(moved, to...)
		if err != nil {
			return moved, err
		}
	}
	if err := d.Fence(); err != nil || b.ReplayDir == "" {
		return moved, err
	}
	to, err := b.volume().retireCopies(d, append(found.files, path.Join(d.Date, d.Session+".tar")))
	return append(moved, to...), err
}

// retireKeys retires the objects in the bucket.
func (b Bucket) retireKeys(ctx context.Context, d Delivery, found obstacles, first bool) (moved []string, err error) {
	keys := found.keys
	if d.Source.Bucket != nil && first { // if they were moved again, they would be listed twice
		if err := b.unchanged(ctx, d); err != nil {
			return nil, err
		}
		for _, o := range d.Source.Bucket.Objects {
			if !slices.Contains(keys, o.Key) {
				keys = append(keys, o.Key)
			}
		}
	}
	for _, key := range keys {
		to, err := b.retireKey(ctx, d, key)
		moved = append(moved, to...)
		if err != nil {
			return moved, err
		}
		d.Boundary("retired from the bucket " + path.Base(key))
	}
	return moved, nil
}

// unchanged returns an error unless the objects are those that were converted, or
// no longer exist.
func (b Bucket) unchanged(ctx context.Context, d Delivery) error {
	for _, was := range d.Source.Bucket.Objects {
		o, err := b.Storage.Stat(ctx, was.Key)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if o.Size != was.Size || o.ETag != was.ETag {
			return &task.ChangedError{Now: d.Source, What: was.Key + " changed while it was converted; it stays and is converted again"}
		}
	}
	return nil
}

// retireKey retires one object, and returns where it is now in the trash.
func (b Bucket) retireKey(ctx context.Context, d Delivery, key string) (moved []string, err error) {
	if err := d.mustOwn(key); err != nil {
		return nil, err
	}
	trash := b.trash()
	trash.Kept = len(d.Video.Missing) > 0
	if !trash.Kept && b.Originals == cleanup.PolicyDelete {
		if err := b.Storage.Delete(ctx, key); err != nil {
			return nil, err
		}
		d.Log.Info("deleted the original", "path", b.Place()+"/"+key)
		return nil, nil
	}
	to, err := trash.Retire(ctx, key)
	if err != nil || to == "" {
		return nil, err
	}
	d.Log.Info("moved the original to the trash", "path", b.Place()+"/"+key, "to", to)
	return []string{b.Place() + "/" + to}, nil
}
