package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// trashPrefix is the prefix of the keys of retired originals. No key that core
// looks for begins with it, which matters on Azure.
const trashPrefix = ".jumpserver-video-trash/"

// InTrash reports whether a key is that of a retired original.
func InTrash(key string) bool { return strings.HasPrefix(key, trashPrefix) }

// Trash keeps retired originals in the storage itself for some days.
type Trash struct {
	Storage Storage
	Now     func() time.Time // nil = time.Now
	Kept    bool             // retired originals stay until an operator deletes them

	// Removing, if not nil, is called by Expire for each object that it is about to
	// delete permanently, with its key in the trash. If it returns an error, the
	// object stays until the next call.
	Removing func(key string) error
}

// keptPrefix is the prefix of the keys that do not expire.
const keptPrefix = trashPrefix + "kept/"

func (t Trash) now() time.Time {
	if t.Now != nil {
		return t.Now().UTC()
	}
	return time.Now().UTC()
}

// Retire moves an original to the trash and returns its new key. It returns "" if
// the original does not exist, because it was retired before.
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

// Trashed is an object in the trash.
type Trashed struct {
	Object
	From string // its key before it was retired
	Day  string // on which it was retired, YYYY-MM-DD
	Kept bool   // it does not expire
}

// List calls visit for what is in the trash, in the order of keys. An error of visit
// ends it. It takes one request per page of keys.
func (t Trash) List(ctx context.Context, visit func(Trashed) error) error {
	for after := ""; ; {
		page, err := t.Storage.List(ctx, Query{Prefix: trashPrefix, After: after})
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			item, ok := trashed(o)
			if !ok {
				continue
			}
			if err := visit(item); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// trashed parses the key of an object in the trash; ok is false for a key that
// Retire does not make.
func trashed(o Object) (item Trashed, ok bool) {
	item.Object = o
	rest, kept := strings.CutPrefix(o.Key, keptPrefix)
	if !kept {
		rest = strings.TrimPrefix(o.Key, trashPrefix)
	}
	item.Kept = kept
	item.Day, item.From, ok = strings.Cut(rest, "/")
	_, err := time.Parse(time.DateOnly, item.Day)
	return item, ok && err == nil && item.From != ""
}

// ErrTaken means that there is another object where an original was.
var ErrTaken = errors.New("there is another object where the original was")

// Restore moves an object of the trash back to where it was. It may be repeated.
// Errors: [ErrTaken], [ErrNotFound], those of Move.
func (t Trash) Restore(ctx context.Context, key string) (from string, err error) {
	item, ok := trashed(Object{Key: key})
	if !ok || !InTrash(key) {
		return "", fmt.Errorf("%q is not a key of the trash", key)
	}
	there, err := t.Storage.Stat(ctx, item.From)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return "", err
	default:
		if _, err := t.Storage.Stat(ctx, key); !errors.Is(err, ErrNotFound) {
			return "", fmt.Errorf("%s: %w", there.Key, errors.Join(ErrTaken, err))
		}
		return item.From, nil // an earlier call moved it
	}
	return item.From, t.Storage.Move(ctx, key, item.From)
}

// Expire deletes originals that were retired more than days days ago, and returns
// their number and size. It lists only those days.
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

// empty deletes everything below a folder.
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
