package watcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

// volume reads the replay folder. A hanging file system cannot be
// interrupted, so every read runs in a goroutine that may be left behind;
// while one is, no other is started.
type volume struct {
	root     string
	patience time.Duration

	busy   chan struct{} // closed when the read that was left behind ends
	device uint64        // of the root when it was first read; 0 = not yet
	filled bool          // the root had something in it
}

// errHangs says that an earlier read has not come back.
var errHangs = errors.New("the volume does not answer")

// bounded runs read, and leaves it behind when it takes too long.
func bounded[T any](ctx context.Context, v *volume, read func() (T, error)) (T, error) {
	var none T
	if v.busy != nil {
		select {
		case <-v.busy:
			v.busy = nil
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-time.After(min(v.patience, time.Second)):
			return none, errHangs
		}
	}
	type result struct {
		value T
		err   error
	}
	out := make(chan result, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		value, err := read()
		out <- result{value, err}
	}()
	timer := time.NewTimer(v.patience)
	defer timer.Stop()
	select {
	case r := <-out:
		return r.value, r.err
	case <-ctx.Done():
		v.busy = ended
		return none, context.Cause(ctx)
	case <-timer.C:
		v.busy = ended
		return none, errHangs
	}
}

// rootList is what the replay folder itself says.
type rootList struct {
	device  uint64
	days    []string             // the newest first
	changed map[string]time.Time // when names in a day's folder changed last, if that was asked for
	empty   bool
}

// days lists the folders of days, and tells when they changed if that is asked
// for. An error means that the volume is unavailable.
func (v *volume) days(ctx context.Context, changes bool) (rootList, error) {
	l, err := bounded(ctx, v, func() (rootList, error) { return readRoot(v.root, changes) })
	if err != nil {
		return l, err
	}
	if v.device != 0 && l.device != v.device && l.empty {
		return l, fmt.Errorf("%s is not mounted any more", v.root)
	}
	if l.empty && v.filled {
		return l, fmt.Errorf("%s is empty, which it was not before: is it mounted?", v.root)
	}
	v.device, v.filled = l.device, v.filled || !l.empty
	return l, nil
}

func readRoot(root string, changes bool) (rootList, error) {
	st, err := os.Stat(root)
	if err != nil {
		return rootList{}, err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return rootList{}, err
	}
	l := rootList{empty: len(entries) == 0, changed: map[string]time.Time{}}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		l.device = sys.Dev
	}
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err != nil || !e.IsDir() {
			continue
		}
		l.days = append(l.days, e.Name())
		if !changes {
			continue
		}
		if info, err := e.Info(); err == nil { // else the sweep tells
			l.changed[e.Name()] = info.ModTime()
		}
	}
	slices.Sort(l.days)
	slices.Reverse(l.days)
	return l, nil
}

// dayList is what a day's folder holds.
type dayList struct {
	sightings []sighting
	counts    counts
	changed   time.Time // the folder, before it was read
	folders   bool      // there are folders in it, whose changes it does not tell
}

// sighting is a recording as seen once.
type sighting struct {
	candidate Candidate
	key       key
	missing   bool
}

// day reads a day's folder.
func (v *volume) day(ctx context.Context, day string) (*dayList, error) {
	return bounded(ctx, v, func() (*dayList, error) { return readDay(v.root, day) })
}

// stamp is when the list of names in a day's folder changed last, in
// nanoseconds.
func (v *volume) stamp(ctx context.Context, day string) (int64, error) {
	return bounded(ctx, v, func() (int64, error) {
		changed, err := folderChanged(filepath.Join(v.root, day))
		return changed.UnixNano(), err
	})
}

// folderChanged is when a folder changed last: its ctime, because restoring a
// backup sets its modification time back.
func folderChanged(dir string) (time.Time, error) {
	st, err := os.Stat(dir)
	if err != nil {
		return time.Time{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Now(), nil
	}
	return time.Unix(sys.Ctim.Unix()), nil
}

func readDay(root, day string) (*dayList, error) {
	changed, err := folderChanged(filepath.Join(root, day))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(root, day))
	if err != nil {
		return nil, err
	}
	l := &dayList{counts: counts{}, changed: changed}
	videos := map[string]bool{}
	for _, e := range entries {
		name := recording.ParseName(day + "/" + e.Name())
		if name.Class == recording.ClassVideo {
			videos[name.Session] = true
		}
	}
	for _, e := range entries {
		rel := path.Join(day, e.Name())
		if e.IsDir() {
			l.folders = true
			if err := l.parts(root, day, e.Name(), videos); err != nil {
				return nil, err
			}
			continue
		}
		name := recording.ParseName(rel)
		l.counts[name.Class]++
		if name.Class != recording.ClassOriginal && name.Class != recording.ClassDump || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, err
		}
		l.sightings = append(l.sightings, sighting{
			candidate: Candidate{Session: name.Session, Date: day, Path: rel, Size: info.Size(), ModTime: info.ModTime(), HasVideo: videos[name.Session]},
			key:       key{info.Size(), info.ModTime().UnixNano(), 1},
		})
	}
	return l, nil
}

// parts looks at the folder of a recording in parts. Its size is that of the
// index and of the parts that it lists.
func (l *dayList) parts(root, day, session string, videos map[string]bool) error {
	rel := path.Join(day, session, session+".replay.json")
	if recording.ParseName(rel).Class != recording.ClassIndex {
		l.counts[recording.ClassForeign]++
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(root, day, session))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	sizes := map[string]fs.FileInfo{}
	for _, e := range entries {
		l.counts[recording.ParseName(path.Join(day, session, e.Name())).Class]++
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			sizes[e.Name()] = info
		}
	}
	indexInfo := sizes[path.Base(rel)]
	if indexInfo == nil {
		return nil // Lion uploads the index last
	}
	s := sighting{candidate: Candidate{Session: session, Date: day, Path: rel, HasVideo: videos[session]}}
	s.add(indexInfo)
	index, err := readIndex(filepath.Join(root, filepath.FromSlash(rel)))
	var unusable *recording.IndexError
	switch {
	case errors.As(err, &unusable), errors.Is(err, fs.ErrNotExist):
		s.missing = true // perhaps still being written
	case err != nil:
		return err
	default:
		if index.Type == "mp4" {
			return nil // converted to layout B
		}
		for _, name := range index.Files {
			if info := sizes[name]; info != nil {
				s.add(info)
			} else {
				s.missing = true
			}
		}
	}
	l.sightings = append(l.sightings, s)
	return nil
}

func (s *sighting) add(info fs.FileInfo) {
	s.candidate.Size += info.Size()
	if info.ModTime().After(s.candidate.ModTime) {
		s.candidate.ModTime = info.ModTime()
	}
	s.key = key{s.candidate.Size, s.candidate.ModTime.UnixNano(), s.key.files + 1}
}

func readIndex(file string) (*recording.Index, error) {
	f, err := regular.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	index, err := recording.ParseIndex(f)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return nil, err
		}
		return nil, &recording.IndexError{Index: file, Err: err}
	}
	return index, nil
}
