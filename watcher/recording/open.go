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
	Session string    // id; "" for a loose file without one
	Date    string    // the folder's date; "" for a loose file
	Index   *Index    // of a recording in parts, else nil
	About   About     // of the session, from the recording
	Parts   []Part    // in the order of time
	Size    int64     // bytes on disk, all files together
	ModTime time.Time // the newest of all files

	// Gaps says what is known to be missing from the recording, or was ignored:
	// each error names it.
	Gaps []error
	// Notes says what else is worth knowing about where the recording was found.
	Notes []string

	// Files are all files of a recording in parts that were read, including the
	// index. They are relative to its folder, with slashes. Unlisted are the base
	// names of parts in the folder that the index does not list: they were not
	// read.
	Files, Unlisted []string
}

// Started returns when the session began, zero if unknown.
func (r *Recording) Started() time.Time { return r.About.Start }

// Open opens the recording at path: a .replay.gz, a .guac or bare dump, a folder
// with a .replay.json and its parts, that .replay.json, or the .tar of JumpServer's
// download. It reads only the beginning of each part. If there are several parts,
// those that are not a dump are ignored and listed in Gaps.
//
// Errors: *KindError for content that is not a Guacamole dump, *IndexError,
// *MissingPartError, *NoIndexError, and those of the file system. A symbolic link, a
// FIFO or the like instead of a file is [regular.ErrNotRegular].
func Open(path string) (*Recording, error) {
	return opener{stat: os.Lstat, file: regular.Open}.open(path)
}

// OpenIncomplete is [Open] for a recording that the caller wants even if it is
// incomplete: missing parts, and a missing index, are listed in Gaps.
func OpenIncomplete(path string) (*Recording, error) {
	return opener{stat: os.Lstat, file: regular.Open, noIndex: true, fewParts: true}.open(path)
}

// OpenNamed is [Open] for a path that a person has given. A symbolic link is
// followed, but the name of the link identifies the session. The content decides
// whether a file is a .tar, which may be compressed. Folders of Lion's own are
// opened, too; a missing index is listed in Gaps.
func OpenNamed(path string) (*Recording, error) {
	return opener{stat: os.Stat, file: regular.Follow, noIndex: true, named: true}.open(path)
}

// opener opens recordings.
type opener struct {
	stat     func(path string) (fs.FileInfo, error)
	file     func(path string) (*os.File, error) // opens a regular file
	noIndex  bool                                // accepts parts without an index
	fewParts bool                                // accepts missing parts that the index lists
	named    bool                                // a person has given the path
}

func (o opener) open(path string) (*Recording, error) {
	st, err := o.stat(path)
	index := strings.HasSuffix(path, ".replay.json")
	if errors.Is(err, fs.ErrNotExist) && index {
		return o.withoutIndex(path, err)
	}
	if err != nil {
		return nil, err
	}
	var r *Recording
	switch {
	case st.IsDir():
		r, err = o.folder(path)
	case index:
		r, err = o.index(path)
	case strings.HasSuffix(path, ".tar"), o.named && o.isTar(path):
		r, err = o.tar(path)
	default:
		r = &Recording{}
		if err = r.addFile(path, o.file); err == nil && o.named {
			r.About = o.beside(path)
		}
	}
	if err != nil {
		return nil, err
	}
	return r.complete(path)
}

// complete sets the fields that depend on the path, and checks the parts.
func (r *Recording) complete(path string) (*Recording, error) {
	r.Path = path
	if r.Session == "" {
		r.Session = SessionOf(path)
	}
	r.Date = dateOf(path)
	return r, r.check()
}

// check checks that every part is a Guacamole dump. If there are others, a part
// that is not is ignored.
func (r *Recording) check() error {
	var kept []Part
	var first error // of the first part that is not a dump
	for _, p := range r.Parts {
		kind, head, err := p.look()
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if kind == KindGuacamole {
			kept = append(kept, p)
			continue
		}
		wrong := &KindError{Path: p.Name, Kind: kind, Looks: looksLike(head)}
		if len(r.Files) == 0 && len(r.Parts) == 1 {
			wrong.Path = r.Path
		}
		if first == nil || kind != KindEmpty { // an empty part says nothing about the others
			first = wrong
		}
		if len(head) == 0 && p.Size > 0 && kind == KindUnknown { // not even the header of the compressed data is complete
			r.Gaps = append(r.Gaps, fmt.Errorf("%s: %w", p.Name, ErrCut))
			continue
		}
		r.Gaps = append(r.Gaps, wrong)
	}
	if len(kept) == 0 {
		if first == nil {
			first = &KindError{Path: r.Path, Kind: KindEmpty}
		}
		return first
	}
	r.Parts = kept
	return nil
}

// folder opens the folder of a recording in parts.
func (o opener) folder(dir string) (*Recording, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var indexes []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".replay.json") {
			indexes = append(indexes, e.Name())
		}
	}
	switch {
	case len(indexes) == 1:
		return o.index(filepath.Join(dir, indexes[0]))
	case len(indexes) > 1:
		return nil, fmt.Errorf("%s holds %d recordings (%s); name one of them", dir, len(indexes), strings.Join(indexes, ", "))
	}
	sessions, err := Sessions(dir)
	switch {
	case err != nil:
		return nil, err
	case len(sessions) == 0:
		return nil, &KindError{Path: dir, Kind: KindUnknown}
	case len(sessions) > 1:
		return nil, fmt.Errorf("%s holds parts of %d recordings (%s)", dir, len(sessions), strings.Join(sessions, ", "))
	}
	return o.pieces(dir, sessions[0])
}

func (o opener) index(path string) (*Recording, error) {
	f, err := o.file(path)
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
		Session: index.Session, Index: index, About: index.About, Size: st.Size(), ModTime: st.ModTime(),
		Files: []string{filepath.Base(path)},
	}
	if r.Unlisted, err = unlisted(path, index); err != nil {
		return nil, err
	}
	names := slices.Clone(index.Files)
	slices.SortFunc(names, byNumber)
	for _, name := range names {
		err := r.addPart(filepath.Dir(path), name)
		if missing := (*MissingPartError)(nil); errors.As(err, &missing) {
			if missing.Index = path; o.fewParts {
				r.Gaps = append(r.Gaps, err)
				continue
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if len(r.Parts) == 0 {
		return nil, &MissingPartError{Index: path, Part: names[0]}
	}
	return r, nil
}

// unlisted returns the parts of the session in the folder of an index that does not
// list them.
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

// indexError returns an *IndexError; errors of the file system are returned
// unchanged.
func indexError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return err
	}
	return &IndexError{Index: path, Err: err}
}

// addPart adds a file of a recording in parts: rel is relative to dir. If it does
// not exist, addPart returns a *MissingPartError without the index.
func (r *Recording) addPart(dir, rel string) error {
	path := filepath.Join(dir, filepath.FromSlash(rel))
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &MissingPartError{Part: rel}
	}
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return &KindError{Path: path, Kind: KindUnknown}
	}
	r.Files = append(r.Files, rel)
	return r.addFile(path, regular.Open)
}

// addFile adds a file with its size and time.
func (r *Recording) addFile(path string, file func(string) (*os.File, error)) error {
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

// beside reads the session's JSON in the folder of its recording, as in core's
// download.
func (o opener) beside(path string) About {
	session := SessionOf(path)
	if session == "" {
		return About{}
	}
	return o.about(filepath.Join(filepath.Dir(path), session+".json"))
}

// about reads a session's JSON; it ignores errors.
func (o opener) about(path string) About {
	f, err := o.file(path)
	if err != nil {
		return About{}
	}
	defer f.Close()
	return readAbout(f)
}

var anyUUID = regexp.MustCompile(uuidPattern)

// SessionOf returns the session id in the last element of a path; "" if it has
// none.
func SessionOf(path string) string {
	return anyUUID.FindString(strings.ToLower(filepath.Base(path)))
}

// dateOf returns the date folder in a path.
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
