package recording

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

// Recording is everything recorded for one session, opened for reading.
type Recording struct {
	Path    string    // as given to Open
	Session string    // id; "" for a loose file that does not say
	Date    string    // the folder's date; "" for a loose file
	Index   *Index    // of a recording in parts, else nil
	Parts   []Part    // in the order of time
	Size    int64     // bytes on disk, all files together
	ModTime time.Time // the newest of all files

	// Files are the base names of all files that were read, the index among
	// them, for a recording in parts. Unlisted are those of parts that lie
	// beside them, which the index does not list: they were not read.
	Files, Unlisted []string
}

// Started is when the session began, zero when the recording does not say.
func (r *Recording) Started() time.Time {
	if r.Index == nil {
		return time.Time{}
	}
	return r.Index.Start
}

// Open opens the recording at path: a .replay.gz, a .guac or bare dump, a
// folder with a .replay.json and its parts, that .replay.json, or the .tar of
// JumpServer's download. It looks at the beginning of each part only.
//
// Errors: *KindError for content that is no Guacamole dump, *IndexError,
// *MissingPartError, those of the file system, and [regular.ErrNotRegular] for a
// symbolic link, a FIFO or the like in the place of a file.
func Open(path string) (*Recording, error) { return open(path, os.Lstat, regular.Open) }

// OpenNamed is [Open] for a path that a person has given: where it is a symbolic
// link, the recording is what it leads to. Its name counts for the session.
func OpenNamed(path string) (*Recording, error) { return open(path, os.Stat, regular.Follow) }

// opener opens a regular file.
type opener func(path string) (*os.File, error)

func open(path string, stat func(string) (os.FileInfo, error), file opener) (*Recording, error) {
	st, err := stat(path)
	if err != nil {
		return nil, err
	}
	var r *Recording
	switch {
	case st.IsDir():
		r, err = openFolder(path, file)
	case strings.HasSuffix(path, ".replay.json"):
		r, err = openIndex(path, file)
	case strings.HasSuffix(path, ".tar"):
		r, err = openTar(path, file)
	default:
		r = &Recording{}
		err = r.addFile(path, file)
	}
	if err != nil {
		return nil, err
	}
	r.Path = path
	if r.Session == "" {
		r.Session = SessionOf(path)
	}
	r.Date = dateOf(path)
	return r, r.check()
}

// check makes sure that every part is a Guacamole dump; empty parts beside
// others hold nothing and are left out.
func (r *Recording) check() error {
	var kept []Part
	for _, p := range r.Parts {
		kind, err := p.Kind()
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if kind == KindEmpty && len(r.Parts) > 1 {
			continue
		}
		if kind != KindGuacamole {
			return &KindError{Path: p.Name, Kind: kind}
		}
		kept = append(kept, p)
	}
	if len(kept) == 0 {
		return &KindError{Path: r.Path, Kind: KindEmpty}
	}
	r.Parts = kept
	return nil
}

// openFolder opens the folder of a recording in parts. A folder without an
// index is opened by the parts in it: their recorder may have crashed.
func openFolder(dir string, file opener) (*Recording, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var indexes, parts []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".replay.json") {
			indexes = append(indexes, e.Name())
		} else if p := parsePart(e.Name()); p != nil && p.Class == ClassPart {
			parts = append(parts, e.Name())
		}
	}
	switch {
	case len(indexes) == 1:
		return openIndex(filepath.Join(dir, indexes[0]), file)
	case len(indexes) > 1:
		return nil, fmt.Errorf("%s holds %d recordings (%s); name one of them", dir, len(indexes), strings.Join(indexes, ", "))
	case len(parts) == 0:
		return nil, &KindError{Path: dir, Kind: KindUnknown}
	}
	r := &Recording{Files: parts}
	return r, r.addParts(dir, parts)
}

func openIndex(path string, file opener) (*Recording, error) {
	f, err := file(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	index, err := ParseIndex(f)
	if err != nil {
		return nil, indexError(path, err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := &Recording{
		Session: index.Session, Index: index, Size: st.Size(), ModTime: st.ModTime(),
		Files: append([]string{filepath.Base(path)}, index.Files...),
	}
	if r.Unlisted, err = unlisted(path, index); err != nil {
		return nil, err
	}
	return r, r.addParts(filepath.Dir(path), index.Files)
}

// unlisted returns the parts of the session that lie beside an index which
// does not list them.
func unlisted(path string, index *Index) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	session, _ := strings.CutSuffix(filepath.Base(path), ".replay.json")
	for _, e := range entries {
		p := parsePart(e.Name())
		if p != nil && p.Class == ClassPart && p.Session == session && !slices.Contains(index.Files, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// indexError keeps errors of the file system as they are.
func indexError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return err
	}
	return &IndexError{Index: filepath.Base(path), Err: err}
}

// addParts adds the named files of dir in the order of their numbers.
func (r *Recording) addParts(dir string, names []string) error {
	names = slices.Clone(names)
	slices.SortFunc(names, byNumber)
	for _, name := range names {
		path := filepath.Join(dir, name)
		st, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return &MissingPartError{Index: filepath.Base(dir), Part: name}
		}
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return &KindError{Path: path, Kind: KindUnknown}
		}
		if err := r.addFile(path, regular.Open); err != nil {
			return err
		}
	}
	return nil
}

// addFile adds a file as it is found.
func (r *Recording) addFile(path string, file opener) error {
	f, err := file(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	r.add(Part{
		Name: filepath.Base(path), Size: st.Size(), ModTime: st.ModTime(),
		raw: func() (io.ReadCloser, error) { return file(path) },
	})
	return nil
}

func (r *Recording) add(p Part) {
	r.Parts = append(r.Parts, p)
	r.Size += p.Size
	if p.ModTime.After(r.ModTime) {
		r.ModTime = p.ModTime
	}
}

var anyUUID = regexp.MustCompile(uuidPattern)

// SessionOf returns the session id in the last element of a path; "" if there is
// none.
func SessionOf(path string) string {
	return anyUUID.FindString(strings.ToLower(filepath.Base(path)))
}

// dateOf finds the date folder in a path.
func dateOf(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		base := filepath.Base(dir)
		if isDate(base) {
			return base
		}
		if base == "." || base == string(filepath.Separator) {
			return ""
		}
	}
}
