package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

// Parts without an index: Lion uploads the index last. It keeps what it has not
// uploaded in a folder of its own, as S/S.N.part while the session lasts, and then
// in S/upload.

// ErrNumbers says that numbers are missing between those of the parts.
var ErrNumbers = errors.New("parts are missing between the others")

// Sessions returns the ids of the sessions whose parts are in a folder without
// their index, according to their names. It also looks into Lion's folder of
// uploads below that folder.
func Sessions(dir string) ([]string, error) {
	found := map[string]bool{}
	for _, below := range []string{"", uploadFolder} {
		names, err := partsIn(filepath.Join(dir, below))
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			found[n.Session] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// partsIn returns the parts in a folder by their names; none if the folder does not
// exist.
func partsIn(dir string) (map[string]Name, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parts := map[string]Name{}
	for _, e := range entries {
		if p := parsePart(e.Name()); p != nil && (p.Class == ClassPart || p.Class == ClassLeftover) && e.Type().IsRegular() {
			parts[e.Name()] = *p
		}
	}
	return parts, nil
}

// withoutIndex opens the parts of a session without an index; err is the error
// about the index.
func (o opener) withoutIndex(index string, err error) (*Recording, error) {
	session, _ := strings.CutSuffix(filepath.Base(index), ".replay.json")
	if !isUUID(session) {
		return nil, err
	}
	r, pieces := o.pieces(filepath.Dir(index), session)
	var none *KindError
	switch {
	case errors.As(pieces, &none) && none.Kind == KindUnknown, errors.Is(pieces, fs.ErrNotExist):
		return nil, err
	case pieces != nil:
		return nil, pieces
	}
	return r.complete(index)
}

// Leftovers returns the files of a session whose index is not in its folder,
// relative to the folder and with slashes. These are the parts, and the index if
// Lion was about to upload it with all of them. There may be none.
func Leftovers(dir, session string) (files []string, err error) {
	files, _, err = leftovers(dir, session)
	return files, err
}

// leftovers is Leftovers. If there is no index at all, it also returns the parts by
// their numbers, from any place, preferably the files that Lion wrote first.
func leftovers(dir, session string) (files []string, parts map[int]string, err error) {
	found := map[string]map[string]Name{}
	for _, below := range []string{"", uploadFolder} {
		if found[below], err = partsIn(filepath.Join(dir, below)); err != nil {
			return nil, nil, err
		}
	}
	index := path.Join(uploadFolder, session+".replay.json")
	if listed := listedIn(filepath.Join(dir, filepath.FromSlash(index))); len(listed) > 0 {
		files = []string{index}
		for _, name := range listed {
			if n, ok := found[uploadFolder][name]; ok && n.Session == session {
				files = append(files, path.Join(uploadFolder, name))
			}
		}
		if len(files) == 1+len(listed) {
			return files, nil, nil
		}
	}
	parts = map[int]string{}
	for _, below := range []string{uploadFolder, ""} { // later ones are preferred
		for _, class := range []Class{ClassPart, ClassLeftover} {
			for name, n := range found[below] {
				if n.Session == session && n.Class == class {
					parts[n.Part] = path.Join(below, name)
				}
			}
		}
	}
	return slices.Collect(maps.Values(parts)), parts, nil
}

// listedIn returns the parts that an index lists; none if the index is invalid.
func listedIn(index string) []string {
	f, err := regular.Open(index)
	if err != nil {
		return nil
	}
	defer f.Close()
	parsed, err := ParseIndex(f)
	if err != nil {
		return nil
	}
	return parsed.Files
}

// pieces opens what is left of a session without an index in its folder.
func (o opener) pieces(dir, session string) (*Recording, error) {
	files, parts, err := leftovers(dir, session)
	if err != nil {
		return nil, err
	}
	index := filepath.Join(dir, session+".replay.json")
	switch {
	case len(files) == 0:
		return nil, &KindError{Path: dir, Kind: KindUnknown}
	case len(files) > maxParts:
		return nil, &IndexError{Index: index, Err: fmt.Errorf("%d parts", len(files))}
	case !o.noIndex:
		return nil, &NoIndexError{Index: index, Parts: len(files)}
	case parts == nil:
		r, err := o.index(filepath.Join(dir, filepath.FromSlash(files[0])))
		if err != nil {
			return nil, err
		}
		r.Files, r.Session = files, session
		r.Notes = append(r.Notes, "taken from Lion's upload folder: it was never uploaded")
		return r, nil
	}
	r := &Recording{Session: session, About: o.about(filepath.Join(dir, session+".json"))}
	return r, r.addNumbered(index, parts, func(rel string) error { return r.addPart(dir, rel) })
}

// addNumbered adds parts in the order of their numbers. It records that there is no
// index, and which numbers are missing.
func (r *Recording) addNumbered(index string, parts map[int]string, add func(name string) error) error {
	r.Gaps = append(r.Gaps, &NoIndexError{Index: index, Parts: len(parts)})
	next := 0
	for _, number := range slices.Sorted(maps.Keys(parts)) {
		if number > next {
			r.Gaps = append(r.Gaps, fmt.Errorf("%w: %s", ErrNumbers, missingNames(r.Session, next, number-1)))
		}
		next = number + 1
		if err := add(parts[number]); err != nil {
			return err
		}
	}
	return nil
}

func missingNames(session string, first, last int) string {
	if first == last {
		return fmt.Sprintf("%s.%d.part.gz", session, first)
	}
	return fmt.Sprintf("%s.%d.part.gz up to %d", session, first, last)
}
