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

// volume reads the replay folder. A hanging file system cannot be interrupted, so
// every read runs in a goroutine that may be left behind. While there is such a
// goroutine, no other is started.
type volume struct {
	root     string
	mount    *Mount
	patience time.Duration

	busy   chan struct{} // closed when the read that was left behind ends
	device uint64        // of the root when it was last read; 0 = not yet
	remote string        // the kind of its file system, if that does not report changes by other hosts
}

// errHangs says that an earlier read has not returned yet.
var errHangs = errors.New("the volume does not respond")

// bounded runs read, and leaves it behind if it takes too long.
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

// rootList is the content of the replay folder itself.
type rootList struct {
	device  uint64
	remote  string               // as in volume
	days    []string             // newest first
	links   []string             // named like days, which are not followed
	changed map[string]time.Time // when names in a day's folder last changed, if that was requested
	empty   bool
}

// days lists the folders of days; with changes, also when they changed. An error
// means that the volume is unavailable.
func (v *volume) days(ctx context.Context, changes bool) (rootList, error) {
	was, remote := v.device, v.remote
	l, err := bounded(ctx, v, func() (rootList, error) {
		l, err := readRoot(v.root, changes)
		if l.remote = remote; err == nil && l.device != was {
			l.remote, err = remoteKind(v.root)
		}
		return l, err
	})
	if err == nil && v.device != 0 && l.device != v.device && l.empty {
		return l, fmt.Errorf("%s is not mounted any more", v.root)
	}
	if err := v.mount.judge(l.empty, err); err != nil {
		return l, err
	}
	v.device, v.remote = l.device, l.remote
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
		if _, err := time.Parse(time.DateOnly, e.Name()); err != nil {
			continue
		}
		if e.Type()&fs.ModeSymlink != 0 {
			l.links = append(l.links, e.Name())
		}
		if !e.IsDir() {
			continue
		}
		l.days = append(l.days, e.Name())
		if !changes {
			continue
		}
		if info, err := e.Info(); err == nil { // otherwise the sweep finds out
			l.changed[e.Name()] = info.ModTime()
		}
	}
	slices.Sort(l.days)
	slices.Reverse(l.days)
	return l, nil
}

// dayList is the content of a day's folder.
type dayList struct {
	sightings []sighting
	counts    counts
	changed   time.Time // the folder, before it was read
	folders   bool      // it contains folders, whose changes do not change its own time
}

// sighting is a recording as found once.
type sighting struct {
	candidate Candidate
	key       key
}

// day reads a day's folder.
func (v *volume) day(ctx context.Context, day string) (*dayList, error) {
	return bounded(ctx, v, func() (*dayList, error) { return readDay(v.root, day) })
}

// stamp returns when the list of names in a day's folder last changed, in
// nanoseconds.
func (v *volume) stamp(ctx context.Context, day string) (int64, error) {
	return bounded(ctx, v, func() (int64, error) {
		changed, err := folderChanged(filepath.Join(v.root, day))
		return changed.UnixNano(), err
	})
}

// folderChanged returns when a folder last changed. It uses the ctime, because
// restoring a backup resets the modification time.
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
			continue // deleted meanwhile
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

// parts reads the folder of a recording in parts. The recording's size is that of
// the index and of the listed parts.
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
		return l.leftovers(root, day, session, videos) // Lion uploads the index last
	}
	s := sighting{candidate: Candidate{Session: session, Date: day, Path: rel, HasVideo: videos[session]}}
	s.add(indexInfo)
	index, err := readIndex(filepath.Join(root, filepath.FromSlash(rel)))
	var unusable *recording.IndexError
	switch {
	case errors.As(err, &unusable), errors.Is(err, fs.ErrNotExist):
		s.candidate.Lacks = true // perhaps still being written
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
				s.candidate.Lacks = true
			}
		}
	}
	l.sightings = append(l.sightings, s)
	return nil
}

// leftovers reads the folder of a recording in parts that has no index: its size is
// that of the parts. If there is an MP4, the parts are what is left of a recording
// that was replaced.
func (l *dayList) leftovers(root, day, session string, videos map[string]bool) error {
	dir := filepath.Join(root, day, session)
	files, err := recording.Leftovers(dir, session)
	if err != nil || len(files) == 0 || videos[session] {
		return err
	}
	s := sighting{candidate: Candidate{Session: session, Date: day, Path: path.Join(day, session, session+".replay.json"), Lacks: true}}
	for _, file := range files {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(file)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it is being changed
		}
		if err != nil {
			return err
		}
		s.add(info)
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
