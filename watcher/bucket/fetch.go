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

// Fetch downloads a recording below dir under the names of its keys, which
// come from [recording.ParseName] and stay inside, and returns the path for
// [recording.Open]. Keep is what must stay free on the disk, in bytes: when
// the recording leaves less, nothing is downloaded and the error is ENOSPC.
// What an earlier attempt has downloaded and has not changed is kept.
//
// An index that lists a part which is not in the bucket is a
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

// fetch downloads an object, unless the file has its size and time.
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
