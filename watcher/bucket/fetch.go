package bucket

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Fetch downloads a recording to dir, under the names of its keys, and returns the
// path for [recording.Open]. The names come from [recording.ParseName], so that
// they cannot lead out of dir. keep is how many bytes must remain free on the disk:
// if the recording would leave less, Fetch downloads nothing and returns ENOSPC.
// Files that an earlier attempt has downloaded are kept if the objects have not
// changed.
//
// If an index lists a part that is not in the bucket, it returns a
// *recording.MissingPartError.
func Fetch(ctx context.Context, c Candidate, dir string, keep int64) (string, error) {
	entry := local(dir, c.Key)
	if err := os.MkdirAll(filepath.Dir(entry), 0o750); err != nil {
		return "", err
	}
	if err := storage.NeedSpace(dir, c.Size+keep); err != nil {
		return "", fmt.Errorf("download %s: %w", c.Key, err)
	}
	if err := fetch(ctx, c.Storage, c.Objects[0], entry, keep); err != nil {
		return "", err
	}
	if recording.ParseName(c.Key).Class != recording.ClassIndex {
		return entry, nil
	}
	index, err := readIndex(entry)
	if err != nil {
		return "", err
	}
	for _, name := range index.Files {
		key := path.Join(path.Dir(c.Key), name)
		i := slices.IndexFunc(c.Objects, func(o storage.Object) bool { return o.Key == key })
		if i < 0 {
			return "", &recording.MissingPartError{Index: path.Base(c.Key), Part: name}
		}
		if err := fetch(ctx, c.Storage, c.Objects[i], local(dir, key), keep); err != nil {
			return "", err
		}
	}
	return entry, nil
}

// fetch downloads an object, unless the file has its size and time already.
func fetch(ctx context.Context, s storage.Storage, o storage.Object, to string, keep int64) error {
	if st, err := os.Stat(to); err == nil && st.Size() == o.Size && st.ModTime().Equal(o.ModTime) {
		return nil
	}
	_, err := storage.Download(ctx, s, o.Key, to, keep)
	return err
}

func local(dir, key string) string { return filepath.Join(dir, filepath.FromSlash(key)) }

func readIndex(file string) (*recording.Index, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	index, err := recording.ParseIndex(f)
	if err != nil {
		return nil, &recording.IndexError{Index: filepath.Base(file), Err: err}
	}
	return index, nil
}
