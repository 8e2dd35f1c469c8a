// Package cleanup moves originals to where core does not find them, and removes
// what has expired: originals in the trash, task logs, leftover work files. It does
// not use the network.
//
// # The trash
//
// Originals are renamed, never copied, to a hidden folder on their own filesystem:
//
//	ROOT/.jumpserver-video-trash/2026-11-23/2026-11-22/S.replay.gz
//
// where the first date is the day on which they were retired. Core looks for
// replays by exact name, so it never serves anything in there. A day's folder is
// removed when it is older than the trash keeps originals; the dates of the files
// themselves do not matter.
package cleanup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// TrashName is the trash's folder below the replay folder.
const TrashName = ".jumpserver-video-trash"

// keptName is the folder of the trash that does not expire. It holds originals with
// more content than the MP4 that replaced them, or that may have more.
//
//	ROOT/.jumpserver-video-trash/kept/2026-11-23/2026-11-22/S.replay.gz
const keptName = "kept"

// Trash keeps retired originals of one replay folder.
type Trash struct {
	Root string           // core's replay folder as mounted here
	Now  func() time.Time // nil = time.Now
	Kept bool             // retired originals stay until an operator deletes them

	// Removing, if not nil, is called by Expire for each original that it is about
	// to delete permanently, with its path in the trash. If it returns an error,
	// the original stays until the next time.
	Removing func(trashed string) error
}

// day returns the folder for what is retired today.
func (t Trash) day() string {
	today := t.now().UTC().Format(time.DateOnly)
	if t.Kept {
		return path.Join(TrashName, keptName, today)
	}
	return path.Join(TrashName, today)
}

// ErrPath is returned for a path that is not below the replay folder.
var ErrPath = errors.New("not a path below the replay folder")

// ErrExists is returned by Restore if there is a file where the original was.
var ErrExists = errors.New("there is another file where the original was")

// local returns an error unless rel stays below the root and has no hidden parts.
func local(rel string) error {
	clean := path.Clean(rel)
	if rel == "" || clean == "." || clean != strings.TrimSuffix(rel, "/") || !filepath.IsLocal(filepath.FromSlash(rel)) {
		return fmt.Errorf("%q: %w", rel, ErrPath)
	}
	for element := range strings.SplitSeq(clean, "/") {
		if strings.HasPrefix(element, ".") {
			return fmt.Errorf("%q: %w", rel, ErrPath)
		}
	}
	return nil
}

// open opens the replay folder. If the trash is not a real folder, such as a link
// to the replay folder itself, expiry would delete recordings in use; open then
// fails.
func (t Trash) open() (*os.Root, error) {
	root, err := os.OpenRoot(t.Root)
	if err != nil {
		return nil, fmt.Errorf("trash: %w", err)
	}
	st, err := root.Lstat(TrashName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		root.Close()
		return nil, fmt.Errorf("trash: %w", err)
	}
	if err == nil && !st.IsDir() {
		root.Close()
		return nil, fmt.Errorf("trash: %s is a link or a file, and must be a folder: remove it: %w", filepath.Join(t.Root, TrashName), ErrPath)
	}
	return root, nil
}

// Retire moves the file or folder rel to the trash and returns its new path,
// relative to the root. It may be repeated: if rel no longer exists and was retired
// before, it returns where to. If the name exists in the trash, it adds a number;
// it never overwrites anything there.
func (t Trash) Retire(rel string) (string, error) {
	if err := local(rel); err != nil {
		return "", err
	}
	root, err := t.open()
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Lstat(rel); errors.Is(err, fs.ErrNotExist) {
		return t.retired(root, rel)
	} else if err != nil {
		return "", fmt.Errorf("trash: %w", err)
	}
	target := path.Join(t.day(), rel)
	if err := root.MkdirAll(path.Dir(target), 0o700); err != nil {
		return "", fmt.Errorf("trash: %w", err)
	}
	target, err = free(root, target)
	if err != nil {
		return "", err
	}
	if err := root.Rename(rel, target); err != nil {
		// A network filesystem may have renamed although it returned an error.
		if _, gone := root.Lstat(rel); !errors.Is(gone, fs.ErrNotExist) {
			return "", fmt.Errorf("trash: %w", err)
		}
		if _, there := root.Lstat(target); there != nil {
			return "", fmt.Errorf("trash: %w", err)
		}
	}
	for _, dir := range []string{path.Dir(target), path.Dir(rel)} {
		if err := syncDir(root, dir); err != nil {
			return "", fmt.Errorf("trash: %w", err)
		}
	}
	return target, nil
}

// retired returns where an original that no longer exists was moved to.
func (t Trash) retired(root *os.Root, rel string) (string, error) {
	for _, base := range []string{path.Join(TrashName, keptName), TrashName} {
		days, err := fs.ReadDir(root.FS(), base)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("trash: %w", err)
		}
		for i := len(days) - 1; i >= 0; i-- {
			target := path.Join(base, days[i].Name(), rel)
			if _, err := root.Lstat(target); err == nil {
				return target, nil
			}
		}
	}
	return "", fmt.Errorf("trash: %s: %w", rel, fs.ErrNotExist)
}

// free returns target, or target with a number if it exists.
func free(root *os.Root, target string) (string, error) {
	name := target
	for n := 2; n < 1000; n++ {
		if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", fmt.Errorf("trash: %w", err)
		}
		name = fmt.Sprintf("%s~%d", target, n)
	}
	return "", fmt.Errorf("trash: %s exists a thousand times: %w", target, fs.ErrExist)
}

// Restore moves an original back to where it was. trashed is what Retire returned.
func (t Trash) Restore(trashed string) error {
	rel, err := retiredFrom(trashed)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(t.Root)
	if err != nil {
		return fmt.Errorf("trash: %w", err)
	}
	defer root.Close()
	place := withoutNumber(rel)
	if _, err := root.Lstat(place); err == nil {
		return fmt.Errorf("%s: %w", place, ErrExists)
	}
	if err := root.MkdirAll(path.Dir(place), 0o755); err != nil {
		return fmt.Errorf("trash: %w", err)
	}
	if err := root.Rename(trashed, place); err != nil {
		return fmt.Errorf("trash: %w", err)
	}
	return syncDir(root, path.Dir(place))
}

// retiredFrom returns the former path of something in the trash, with the number
// that it may have got there.
func retiredFrom(trashed string) (rel string, err error) {
	inside, ok := strings.CutPrefix(trashed, TrashName+"/")
	inside = strings.TrimPrefix(inside, keptName+"/")
	day, rel, _ := strings.Cut(inside, "/")
	if !ok || !isDay(day) || local(rel) != nil {
		return "", fmt.Errorf("%q: %w", trashed, ErrPath)
	}
	return rel, nil
}

// withoutNumber removes the number that free added to a name.
func withoutNumber(rel string) string {
	if i := strings.LastIndexByte(rel, '~'); i > 0 {
		return rel[:i]
	}
	return rel
}

// Expire deletes the days that the trash has kept for keep.
func (t Trash) Expire(keep time.Duration) (Report, error) {
	var report Report
	root, err := t.open()
	if err != nil {
		return report, err
	}
	defer root.Close()
	days, err := fs.ReadDir(root.FS(), TrashName)
	if errors.Is(err, fs.ErrNotExist) {
		return report, nil
	}
	if err != nil {
		return report, fmt.Errorf("trash: %w", err)
	}
	var errs []error
	for _, day := range days {
		if day.Name() == keptName {
			continue
		}
		retired, err := time.Parse(time.DateOnly, day.Name())
		if err != nil || !day.IsDir() {
			report.Strange = append(report.Strange, path.Join(TrashName, day.Name()))
			continue
		}
		// The last original of the day may have been retired at its end.
		if t.now().Sub(retired.Add(24*time.Hour)) < keep {
			continue
		}
		if err := t.empty(root, path.Join(TrashName, day.Name())); err != nil {
			errs = append(errs, fmt.Errorf("trash: %w", err))
			continue
		}
		report.TrashDays++
	}
	return report, errors.Join(errs...)
}

// empty deletes a day of the trash, one original after the other. What is added
// meanwhile stays.
func (t Trash) empty(root *os.Root, day string) error {
	originals, folders, err := originalsOf(root, day)
	if err != nil {
		return err
	}
	var errs []error
	for _, trashed := range originals {
		if t.Removing != nil {
			if err := t.Removing(trashed); err != nil {
				errs = append(errs, fmt.Errorf("%s stays: %w", trashed, err))
				continue
			}
		}
		errs = append(errs, root.RemoveAll(trashed))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, folder := range append(folders, day) {
		if err := root.Remove(folder); !errors.Is(err, fs.ErrNotExist) { // another agent was faster
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// originalsOf lists what was retired on a day: files and folders, each in the
// folder of its own date.
func originalsOf(root *os.Root, day string) (originals, folders []string, err error) {
	dates, err := fs.ReadDir(root.FS(), day)
	if err != nil {
		return nil, nil, err
	}
	for _, date := range dates {
		in := path.Join(day, date.Name())
		if !date.IsDir() {
			originals = append(originals, in)
			continue
		}
		entries, err := fs.ReadDir(root.FS(), in)
		if err != nil {
			return nil, nil, err
		}
		folders = append(folders, in)
		for _, e := range entries {
			originals = append(originals, path.Join(in, e.Name()))
		}
	}
	return originals, folders, nil
}

func (t Trash) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// Delete deletes the file or folder rel below root. It may be repeated.
func Delete(rootDir, rel string) error {
	if err := local(rel); err != nil {
		return err
	}
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	defer root.Close()
	if err := root.RemoveAll(rel); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return syncDir(root, path.Dir(rel))
}

// syncDir makes a folder's entries durable. A folder that no longer exists is not
// an error.
func syncDir(root *os.Root, dir string) error {
	if err := durable.SyncDirIn(root, dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
