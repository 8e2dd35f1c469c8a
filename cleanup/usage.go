package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"
)

// Usage is what a part of a trash holds.
type Usage struct {
	Originals int
	Bytes     int64 // of their files
}

func (u Usage) plus(other Usage) Usage {
	return Usage{u.Originals + other.Originals, u.Bytes + other.Bytes}
}

// TrashUsage is what a trash holds.
type TrashUsage struct {
	Expiring Usage // originals whose days expire
	Kept     Usage // originals that stay until an operator deletes them
}

// Meter measures a trash. Its methods must not be called concurrently.
type Meter struct {
	Root string // core's replay folder as mounted here

	seen map[string]measured // by folder of originals
}

// measured is what a folder of originals held when it last changed.
type measured struct {
	changed time.Time
	Usage
}

// settled is how old the last change of a folder must be, so that a later one has
// another time.
const settled = 2 * time.Second

// Measure returns what the trash holds. Folders that have not changed since the last
// call are not read again: most of the trash takes one call of stat per folder, not
// per original. It returns an error if the replay folder does not exist.
func (m *Meter) Measure(ctx context.Context) (TrashUsage, error) {
	var all TrashUsage
	root, err := Trash{Root: m.Root}.open()
	if err != nil {
		return all, err
	}
	defer root.Close()
	known := m.seen
	m.seen = make(map[string]measured, len(known))
	if all.Expiring, err = m.days(ctx, root, TrashName, known); err == nil {
		all.Kept, err = m.days(ctx, root, path.Join(TrashName, keptName), known)
	}
	if err != nil {
		m.seen = known
		return TrashUsage{}, fmt.Errorf("measure the trash: %w", err)
	}
	return all, nil
}

// days measures the days below a folder.
func (m *Meter) days(ctx context.Context, root *os.Root, in string, known map[string]measured) (all Usage, err error) {
	days, err := entriesOf(root, in)
	if err != nil {
		return all, err
	}
	for _, day := range days {
		if !day.IsDir() || !isDay(day.Name()) {
			continue
		}
		dates, err := entriesOf(root, path.Join(in, day.Name()))
		if err != nil {
			return all, err
		}
		for _, date := range dates {
			if err := ctx.Err(); err != nil {
				return all, err
			}
			place := path.Join(in, day.Name(), date.Name())
			if !date.IsDir() {
				all = all.plus(Usage{1, sizeOf(root, place, date)})
				continue
			}
			one, err := m.date(root, place, known)
			if err != nil {
				return all, err
			}
			all = all.plus(one)
		}
	}
	return all, nil
}

// date measures the originals in the folder of their own date.
func (m *Meter) date(root *os.Root, place string, known map[string]measured) (Usage, error) {
	st, err := root.Lstat(place)
	if errors.Is(err, fs.ErrNotExist) { // it has just expired
		return Usage{}, nil
	}
	if err != nil {
		return Usage{}, err
	}
	now := measured{changed: st.ModTime()}
	if before, ok := known[place]; ok && before.changed.Equal(now.changed) {
		m.seen[place] = before
		return before.Usage, nil
	}
	originals, err := entriesOf(root, place)
	if err != nil {
		return Usage{}, err
	}
	for _, original := range originals {
		now.Usage = now.plus(Usage{1, sizeOf(root, path.Join(place, original.Name()), original)})
	}
	if time.Since(now.changed) > settled {
		m.seen[place] = now
	}
	return now.Usage, nil
}

// sizeOf returns the size of an original: a file, or a folder of parts, with the
// folders in it. What is removed meanwhile has no size.
func sizeOf(root *os.Root, place string, e fs.DirEntry) (size int64) {
	if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	if !e.IsDir() {
		return 0
	}
	parts, err := entriesOf(root, place)
	if err != nil {
		return 0
	}
	for _, part := range parts {
		size += sizeOf(root, path.Join(place, part.Name()), part)
	}
	return size
}

// entriesOf lists a folder; one that does not exist is empty.
func entriesOf(root *os.Root, dir string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}
