package cleanup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
)

// Trashed is an original in the trash: a file, or the folder of a recording in parts.
type Trashed struct {
	Path   string // in the trash, relative to the root
	From   string // where it was, relative to the root
	Day    string // on which it was retired, YYYY-MM-DD
	Kept   bool   // it does not expire
	Folder bool   // it is a folder
	Size   int64  // bytes; of a folder, of all its files
}

// List calls visit for what is in the trash: first what expires, then what is kept,
// in the order of days. It skips what is removed meanwhile. An error of visit ends it.
func (t Trash) List(ctx context.Context, visit func(Trashed) error) error {
	root, err := t.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	for _, base := range []string{TrashName, path.Join(TrashName, keptName)} {
		days, err := entriesOf(root, base)
		if err != nil {
			return err
		}
		for _, day := range days {
			if !isDay(day.Name()) || !day.IsDir() {
				continue
			}
			if err := t.listDay(ctx, root, base, day.Name(), visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// listDay lists what was retired on a day.
func (t Trash) listDay(ctx context.Context, root *os.Root, base, day string, visit func(Trashed) error) error {
	originals, _, err := originalsOf(root, path.Join(base, day))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, trashed := range originals {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rel, err := retiredFrom(trashed)
		if err != nil {
			continue // no name of ours
		}
		item := Trashed{Path: trashed, From: withoutNumber(rel), Day: day, Kept: base != TrashName}
		st, err := root.Lstat(trashed)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		item.Folder, item.Size = st.IsDir(), sizeOf(root, trashed, fs.FileInfoToDirEntry(st))
		if err := visit(item); err != nil {
			return err
		}
	}
	return nil
}
