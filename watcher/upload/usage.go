package upload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"
)

// Place is where an upload is in a spool.
type Place string

// Places.
const (
	PlaceUnfinished Place = "unfinished" // not complete: its client is sending it, or has given up
	PlaceWaiting    Place = "waiting"    // complete, and not finished
	PlaceDone       Place = "done"       // finished; it expires
	PlaceKept       Place = "kept"       // finished; it never expires
)

// Places lists all of them.
var Places = []Place{PlaceUnfinished, PlaceWaiting, PlaceDone, PlaceKept}

// Usage is what a place holds.
type Usage struct {
	Uploads int
	Bytes   int64 // of their files
}

// Meter measures a spool. Its methods must not be called concurrently.
type Meter struct {
	Spool *Spool

	sizes map[string]int64 // of uploads that no longer change, by folder
}

// Measure returns what each place of the spool holds. Uploads that are complete are
// read only once: later calls read the names of their folders, and look at the
// records of those that wait.
func (m *Meter) Measure(ctx context.Context) (map[Place]Usage, error) {
	known := m.sizes
	m.sizes = make(map[string]int64, len(known))
	all := map[Place]Usage{}
	for dir, place := range map[string]Place{"": "", "done": PlaceDone, "kept": PlaceKept} {
		entries, err := os.ReadDir(filepath.Join(m.Spool.Dir, dir))
		if err != nil && (dir == "" || !errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("spool: %w", err)
		}
		for _, e := range entries {
			if uuid.Validate(e.Name()) != nil {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			is := place
			if is == "" {
				is = m.placeOf(e.Name())
			}
			folder := filepath.Join(m.Spool.Dir, dir, e.Name())
			size, ok := known[folder]
			if !ok || is == PlaceUnfinished {
				if size, ok = sizeOf(folder); !ok {
					continue // it was just moved or removed
				}
			}
			if is != PlaceUnfinished {
				m.sizes[folder] = size
			}
			all[is] = Usage{all[is].Uploads + 1, all[is].Bytes + size}
		}
	}
	return all, nil
}

// placeOf returns the place of an upload that is not finished.
func (m *Meter) placeOf(id string) Place {
	if known, err := m.Spool.summary(id); err == nil && known.complete {
		return PlaceWaiting
	}
	return PlaceUnfinished
}

// sizeOf returns the size of the files in a folder; false if it does not exist.
func sizeOf(folder string) (size int64, ok bool) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, false
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
	}
	return size, true
}
