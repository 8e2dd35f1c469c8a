package storage

import (
	"context"
	"errors"
	"strings"
	"time"
)

// trashPrefix begins the keys of retired originals. No key that core looks
// for begins like this, which on Azure is what counts.
const trashPrefix = ".jumpserver-video-trash/"

// InTrash tells whether a key is a retired original's.
func InTrash(key string) bool { return strings.HasPrefix(key, trashPrefix) }

// Trash keeps retired originals in the storage itself for some days.
type Trash struct {
	Storage Storage
	Now     func() time.Time // nil = the clock
	Kept    bool             // what is retired stays until an operator removes it

	// Removing, when not nil, is told by Expire of each object that is about to be
	// deleted for good: its key in the trash. An error keeps it until the next time.
	Removing func(key string) error
}

// keptPrefix begins the keys of what does not expire.
const keptPrefix = trashPrefix + "kept/"

func (t Trash) now() time.Time {
	if t.Now != nil {
		return t.Now().UTC()
	}
	return time.Now().UTC()
}

// Retire moves an original to the trash and returns its new key; "" when it
// is not there, because it has been retired before.
func (t Trash) Retire(ctx context.Context, key string) (to string, err error) {
	prefix := trashPrefix
	if t.Kept {
		prefix = keptPrefix
	}
	to = prefix + t.now().Format(time.DateOnly) + "/" + key
	err = t.Storage.Move(ctx, key, to)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return to, err
}

// Expire deletes what was retired more than so many days ago, and tells how
// much that was. It lists only the days that are due.
func (t Trash) Expire(ctx context.Context, days int) (count int, bytes int64, err error) {
	limit := t.now().AddDate(0, 0, -days).Format(time.DateOnly)
	for after := ""; ; {
		page, err := t.Storage.List(ctx, Query{Prefix: trashPrefix, Folders: true, After: after})
		if err != nil {
			return count, bytes, err
		}
		for _, folder := range page.Folders {
			day := strings.TrimSuffix(strings.TrimPrefix(folder, trashPrefix), "/")
			if _, err := time.Parse(time.DateOnly, day); err != nil || day >= limit {
				continue
			}
			n, size, err := t.empty(ctx, folder)
			count, bytes = count+n, bytes+size
			if err != nil {
				return count, bytes, err
			}
		}
		if after = page.Next; after == "" {
			return count, bytes, nil
		}
	}
}

// empty deletes all below a folder.
func (t Trash) empty(ctx context.Context, folder string) (count int, bytes int64, err error) {
	for after := ""; ; {
		page, err := t.Storage.List(ctx, Query{Prefix: folder, After: after})
		if err != nil {
			return count, bytes, err
		}
		for _, o := range page.Objects {
			if t.Removing != nil {
				if err := t.Removing(o.Key); err != nil {
					return count, bytes, err
				}
			}
			if err := t.Storage.Delete(ctx, o.Key); err != nil {
				return count, bytes, err
			}
			count, bytes = count+1, bytes+o.Size
		}
		if after = page.Next; after == "" {
			return count, bytes, nil
		}
	}
}
