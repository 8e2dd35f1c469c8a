package recording

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// openTar opens the .tar that core makes for a download: one recording with
// the session's JSON beside it, or an index with its parts. Members are read
// where they are; their names only select.
func openTar(file string, open opener) (*Recording, error) {
	members, err := listTar(file, open)
	if err != nil {
		return nil, err
	}
	r := &Recording{}
	names := slices.Sorted(maps.Keys(members))
	for _, name := range names {
		if strings.HasSuffix(name, ".replay.json") {
			return r, r.addMembers(file, name, members)
		}
	}
	for _, name := range names {
		if isRecordingName(name) {
			r.add(members[name])
			r.Session = SessionOf(name)
		}
	}
	switch {
	case len(r.Parts) == 0:
		return nil, &KindError{Path: file, Kind: KindUnknown}
	case len(r.Parts) > 1:
		return nil, fmt.Errorf("%s holds %d recordings; extract it and name one of them", file, len(r.Parts))
	}
	return r, nil
}

// isRecordingName tells the recording from the JSON beside it.
func isRecordingName(name string) bool {
	return strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".guac") || strings.HasSuffix(name, ".mp4") || isUUID(name)
}

func (r *Recording) addMembers(file, indexName string, members map[string]Part) error {
	raw, err := members[indexName].raw()
	if err != nil {
		return err
	}
	defer raw.Close()
	index, err := ParseIndex(raw)
	if err != nil {
		return indexError(indexName, err)
	}
	r.Index, r.Session = index, index.Session
	names := slices.Clone(index.Files)
	slices.SortFunc(names, byNumber)
	for _, name := range names {
		m, ok := members[name]
		if !ok {
			return &MissingPartError{Index: path.Base(file) + ": " + indexName, Part: name}
		}
		r.add(m)
	}
	return nil
}

// listTar finds the regular files of a tar by base name.
func listTar(file string, open opener) (map[string]Part, error) {
	f, err := open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	members := map[string]Part{}
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w (%w)", &KindError{Path: file, Kind: KindUnknown}, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if len(members) > maxParts {
			return nil, fmt.Errorf("%s: more than %d files", file, maxParts)
		}
		// The reader stands at the member's first byte.
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		name := path.Base(path.Clean(h.Name))
		size := max(0, min(h.Size, st.Size()-offset)) // of a file that is cut, what is there
		members[name] = Part{
			Name: name, Size: size, ModTime: h.ModTime,
			raw: func() (io.ReadCloser, error) { return openSection(file, open, offset, size) },
		}
	}
}

// openSection reads a part of a file.
func openSection(file string, open opener, offset, size int64) (io.ReadCloser, error) {
	f, err := open(file)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, offset, size), f}, nil
}
