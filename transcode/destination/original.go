package destination

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// volume is core's replay folder as mounted here, with the policy for originals in
// it.
type volume struct {
	root      string
	look      func() error // returns why the volume is away, nil if it is there
	originals cleanup.Policy
	playCache time.Duration // how long a copy that core has just made may be playing
}

// mustBeThere returns an error while the volume is away.
func (v volume) mustBeThere() error {
	if err := v.look(); err != nil {
		return task.Failf(task.ClassVolume, "the replay volume is not available: %w", err)
	}
	return nil
}

// trash returns the trash for originals and for MP4s that this agent has made. It
// expires.
func (v volume) trash() cleanup.Trash { return cleanup.Trash{Root: v.root} }

// kept returns the part of the trash that does not expire: for originals with more
// content than their MP4, and for MP4s that this agent has not made.
func (v volume) kept() cleanup.Trash { return cleanup.Trash{Root: v.root, Kept: true} }

// trashFor returns the trash for an MP4 on the volume that is replaced by another.
func (v volume) trashFor(ctx context.Context, d Delivery, file string) cleanup.Trash {
	if d.Contained(ctx, file) {
		return v.trash()
	}
	return v.kept()
}

// retireOriginal removes the recording on the volume that the MP4 was made from,
// according to the policy, and returns where it was moved. Files that were not read
// stay.
func (v volume) retireOriginal(d Delivery) (moved []string, err error) {
	if v.originals == cleanup.PolicyKeep {
		d.Log.Info("the original stays because of ORIGINALS=keep; core may still serve it", "path", d.Source.Path)
		return nil, nil
	}
	files, err := v.files(d)
	if err != nil {
		return nil, err
	}
	folder := path.Join(d.Date, d.Session)
	whole, err := v.onlyThese(d, folder, files)
	if err != nil {
		return nil, err
	}
	if whole {
		moved, err = v.retireFolder(d, folder, files)
	} else {
		moved, err = v.retireFiles(d, files)
	}
	if err != nil {
		return moved, err
	}
	for _, tar := range []string{path.Join(folder, d.Session+".tar"), folder + ".tar"} { // core's downloads of it
		to, err := v.retireCopy(d, tar)
		moved = appendNew(moved, to...)
		if err != nil {
			return moved, err
		}
	}
	if path.Dir(d.Source.Path) != folder {
		return moved, nil
	}
	if err := cleanup.RemoveEmpty(v.root, path.Join(folder, "upload")); err != nil { // Lion's folder
		return moved, err
	}
	return moved, cleanup.RemoveEmpty(v.root, folder)
}

// onlyThese reports whether a folder is that of the recording, and holds nothing
// but the files that were read and core's download of them.
func (v volume) onlyThese(d Delivery, folder string, files []task.File) (bool, error) {
	if path.Dir(d.Source.Path) != folder {
		return false, nil
	}
	entries, err := os.ReadDir(abs(v.root, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // retired by an earlier attempt
	}
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		rel := path.Join(folder, e.Name())
		read := slices.ContainsFunc(files, func(f task.File) bool { return f.Path == rel })
		if !read && recording.ParseName(rel).Class != recording.ClassDownload {
			return false, nil
		}
	}
	return true, nil
}

// retireFiles retires files that were read, one by one.
func (v volume) retireFiles(d Delivery, files []task.File) (moved []string, err error) {
	for _, f := range files {
		to, err := v.retireFile(d, f)
		moved = appendNew(moved, to...)
		if err != nil {
			return moved, err
		}
		d.Boundary("retired " + path.Base(f.Path))
	}
	return moved, nil
}

// retireFolder retires the folder of a recording in parts in one step, so that a
// crash cannot leave a part of it behind.
func (v volume) retireFolder(d Delivery, folder string, files []task.File) (moved []string, err error) {
	if err := d.mustOwn(folder); err != nil {
		return nil, err
	}
	if gone, err := v.gone(d, folder); err != nil || gone {
		return nil, err
	}
	seen := map[string]fs.FileInfo{}
	for _, was := range append(files, task.File{Path: path.Join(folder, d.Session+".tar"), Size: -1}) {
		f, err := openFile(abs(v.root, was.Path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		st, err := f.Stat()
		f.Close() // there may be thousands
		if err != nil {
			return nil, err
		}
		if was.Size >= 0 && (st.Size() != was.Size || !st.ModTime().Equal(was.ModTime)) {
			return nil, changed(v.seen(d))
		}
		seen[path.Base(was.Path)] = st
	}
	to, err := v.trashOf(d).RetireFolder(folder, seen)
	if err != nil {
		return nil, d.replaced(err)
	}
	d.Boundary("retired " + path.Base(folder))
	return v.took(d, folder, to)
}

// files returns the files to retire: those that were read when the MP4 was made.
// The first is the one by which core finds the recording.
func (v volume) files(d Delivery) ([]task.File, error) {
	if len(d.Files) > 0 {
		return d.Files, nil
	}
	rec, err := recording.Open(abs(v.root, d.Source.Path)) // the task of an older agent that did not record them
	if errors.Is(err, fs.ErrNotExist) {
		gone, err := v.gone(d, d.Source.Path)
		if err == nil && !gone {
			err = task.Failf(task.ClassVolume, "the replay volume was away for a moment")
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if now := d.Source.Seen(rec.Size, rec.ModTime); now.Fingerprint() != d.Source.Fingerprint() {
		return nil, changed(now)
	}
	return FilesOf(v.root, d.Source.Path, rec)
}

// FilesOf returns the files of a recording that was opened at rel, relative to
// root. The first is the one by which core finds it.
func FilesOf(root, rel string, rec *recording.Recording) ([]task.File, error) {
	names := []string{rel}
	if len(rec.Files) > 0 {
		names = names[:0]
		for _, name := range rec.Files {
			names = append(names, path.Join(path.Dir(rel), name))
		}
	}
	files := make([]task.File, len(names))
	for i, name := range names {
		f, err := openFile(abs(root, name))
		if err != nil {
			return nil, err
		}
		st, err := f.Stat()
		f.Close()
		if err != nil {
			return nil, err
		}
		files[i] = task.File{Path: name, Size: st.Size(), ModTime: st.ModTime()}
	}
	return files, nil
}

// seen returns the source with its present size and time.
func (v volume) seen(d Delivery) task.Source {
	rec, err := recording.Open(abs(v.root, d.Source.Path))
	if err != nil {
		return d.Source // the next attempt reads it again
	}
	return d.Source.Seen(rec.Size, rec.ModTime)
}

func changed(now task.Source) error {
	return &task.ChangedError{Now: now, What: "the recording changed while it was converted; it stays and is converted again"}
}

// gone reports whether a file no longer exists on the volume. If the volume is not
// mounted, it returns an error: a missing file then proves nothing.
func (v volume) gone(d Delivery, rel string) (bool, error) {
	there, err := Exists(abs(v.root, rel))
	if err != nil || there {
		return false, err
	}
	if d.Source.OnVolume() { // otherwise the folder may be empty
		if err := MustMount(v.root); err != nil {
			return false, err
		}
	}
	there, err = Exists(abs(v.root, rel)) // the volume may have been mounted in between
	return !there && err == nil, err
}

// retireFile retires one file that was read, if it still exists and has not
// changed. It returns where it is now in the trash, nothing if it was deleted.
func (v volume) retireFile(d Delivery, was task.File) (moved []string, err error) {
	if err := d.mustOwn(was.Path); err != nil {
		return nil, err
	}
	if gone, err := v.gone(d, was.Path); err != nil || gone {
		return nil, err
	}
	f, err := openFile(abs(v.root, was.Path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != was.Size || !st.ModTime().Equal(was.ModTime) {
		return nil, changed(v.seen(d))
	}
	return v.take(d, was.Path, st)
}

// retireCopies retires files that hold the same recording, beginning with the index
// of one in parts.
func (v volume) retireCopies(d Delivery, rels []string) (moved []string, err error) {
	for _, rel := range rels {
		to, err := v.retireCopy(d, rel)
		moved = appendNew(moved, to...)
		if err != nil {
			return moved, err
		}
		d.Boundary("retired copy " + path.Base(rel))
	}
	if len(rels) == 0 {
		return nil, nil
	}
	return moved, cleanup.RemoveEmpty(v.root, path.Join(d.Date, d.Session))
}

// retireCopy retires a file that was made from the recording, or is the same, if it
// exists.
func (v volume) retireCopy(d Delivery, rel string) (moved []string, err error) {
	if err := d.mustOwn(rel); err != nil {
		return nil, err
	}
	if gone, err := v.gone(d, rel); err != nil || gone {
		return nil, err
	}
	f, err := openFile(abs(v.root, rel))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return v.take(d, rel, st)
}

// take moves or deletes a file that is open.
func (v volume) take(d Delivery, rel string, is fs.FileInfo) (moved []string, err error) {
	if age := time.Since(is.ModTime()); age >= 0 && age < v.playCache {
		return nil, task.Failf(task.ClassWatched, "core may have fetched %s just now for a viewer; it is removed in %s", rel, (v.playCache - age).Round(time.Second))
	}
	to, err := v.trashOf(d).RetireFile(rel, is)
	if err != nil {
		return nil, d.replaced(err)
	}
	return v.took(d, rel, to)
}

// trashOf returns the trash for the original of a delivery.
func (v volume) trashOf(d Delivery) cleanup.Trash {
	if len(d.Video.Missing) > 0 {
		return v.kept()
	}
	return v.trash()
}

// took completes a move to the trash, and returns where the file is. If the policy
// is to delete, it deletes the file and returns nothing, unless the MP4 may be
// incomplete.
func (v volume) took(d Delivery, rel, to string) (moved []string, err error) {
	if v.originals != cleanup.PolicyDelete || len(d.Video.Missing) > 0 {
		d.Log.Info("moved the original to the trash", "path", rel, "to", to)
		return []string{to}, nil
	}
	if err := v.trash().Drop(to); err != nil {
		return []string{to}, err
	}
	d.Log.Info("deleted the original", "path", rel)
	return nil, nil
}

// replaced converts the error that a file was replaced while it was retired to the
// failure that the recording has changed.
func (d Delivery) replaced(err error) error {
	if errors.Is(err, cleanup.ErrReplaced) {
		return fmt.Errorf("%w: %w", &task.ChangedError{Now: d.Source, What: "a file of the recording was replaced while it was retired"}, err)
	}
	return err
}

// appendNew appends places in the trash; files of the same folder are replaced by
// the folder.
func appendNew(moved []string, places ...string) []string {
	for _, to := range places {
		if dir := path.Dir(to); recordingFolder(dir) {
			to = dir
		}
		if len(moved) == 0 || moved[len(moved)-1] != to {
			moved = append(moved, to)
		}
	}
	return moved
}

// recordingFolder reports whether a folder in the trash is that of a recording in
// parts: its parent is a day.
func recordingFolder(dir string) bool {
	return recording.ParseName(path.Join(path.Base(path.Dir(dir)), path.Base(dir), path.Base(dir)+".replay.json")).Class == recording.ClassIndex
}
