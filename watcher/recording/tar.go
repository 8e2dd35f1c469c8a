package recording

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

// isTar reports whether a file's content is a tar, compressed or not.
func (o opener) isTar(file string) bool {
	f, err := o.file(file)
	if err != nil {
		return false // opening the file returns the error
	}
	defer f.Close()
	_, head, err := Look(f)
	return err == nil && tarHead(head)
}

// tarHead reports whether content begins like a tar of POSIX or GNU.
func tarHead(head []byte) bool {
	const at = 257
	return len(head) >= at+5 && string(head[at:at+5]) == "ustar"
}

// tar opens the .tar that core makes for a download: one recording with the
// session's JSON, or an index with its parts.
func (o opener) tar(file string) (*Recording, error) {
	f, err := o.file(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var magic [2]byte
	if _, err := f.ReadAt(magic[:], 0); err == nil && o.named && bytes.Equal(magic[:], []byte{0x1f, 0x8b}) {
		plain, err := decompress(bufio.NewReader(f))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return openSpooledTar(file, plain)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return openTar(file, f, st.Size(), func(offset, size int64) (io.ReadCloser, error) {
		f, err := o.file(file)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(f, offset, size), f}, nil
	})
}

// openSpooledTar opens a tar that must be unpacked first.
func openSpooledTar(name string, plain io.Reader) (*Recording, error) {
	spooled, size, cut, err := spool(plain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r, err := openTar(name, spooled, size, within(spooled))
	if err == nil && cut != nil {
		r.Gaps = append(r.Gaps, fmt.Errorf("%s: %w", path.Base(name), cut))
	}
	return r, err
}

// section opens a range of a tar.
type section func(offset, size int64) (io.ReadCloser, error)

// within opens ranges of a file that stays open.
func within(f io.ReaderAt) section {
	return func(offset, size int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, offset, size)), nil
	}
}

// openTar opens the recording in a tar. Members are read within the tar; their
// names only select them.
func openTar(file string, f io.ReaderAt, size int64, open section) (*Recording, error) {
	r := &Recording{}
	members, err := listTar(file, f, size, open)
	if err != nil && len(members) == 0 {
		return nil, err
	}
	if err != nil {
		r.Gaps = append(r.Gaps, err)
	}
	names := slices.Sorted(maps.Keys(members))
	for _, name := range names {
		if strings.HasSuffix(name, ".replay.json") {
			return r, r.addMembers(file, name, members)
		}
	}
	if len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return parsePart(name) == nil && isRecordingName(name) }) {
		if err := r.addPieces(file, members); err != nil || len(r.Parts) > 0 {
			return r, err
		}
	}
	var others []string
	for _, name := range names {
		if isRecordingName(name) {
			r.add(members[name])
			r.Session = SessionOf(name)
		} else {
			others = append(others, name)
		}
	}
	for _, name := range others {
		if strings.HasSuffix(name, ".json") {
			if about := members[name].about(); r.About == (About{}) {
				r.About = about
			}
			continue
		}
		if len(r.Parts) > 0 {
			continue
		}
		if kind, err := members[name].Kind(); err == nil && kind == KindGuacamole {
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

// addPieces adds the parts of one session whose index is not among the members.
func (r *Recording) addPieces(file string, members map[string]Part) error {
	byNumber := map[int]string{}
	for name := range members {
		p := parsePart(name)
		if p == nil || p.Class != ClassPart && p.Class != ClassLeftover {
			continue
		}
		if r.Session != "" && r.Session != p.Session {
			return fmt.Errorf("%s holds parts of several recordings; extract it and name one of them", file)
		}
		r.Session = p.Session
		if _, is := byNumber[p.Part]; !is || p.Class == ClassLeftover { // prefer the file that was recorded
			byNumber[p.Part] = name
		}
	}
	if len(byNumber) == 0 {
		return nil
	}
	r.About = members[r.Session+".json"].about()
	return r.addNumbered(file+": "+r.Session+".replay.json", byNumber, func(name string) error { r.add(members[name]); return nil })
}

// about parses a member that is a session's JSON.
func (p Part) about() About {
	if p.raw == nil { // the member does not exist
		return About{}
	}
	raw, err := p.raw()
	if err != nil {
		return About{}
	}
	defer raw.Close()
	return readAbout(raw)
}

// readAbout parses a session's JSON; it ignores errors.
func readAbout(r io.Reader) About {
	data, err := io.ReadAll(io.LimitReader(r, maxIndex))
	if err != nil {
		return About{}
	}
	about, _ := parseAbout(withoutBlanks(data))
	return about
}

// isRecordingName reports whether a member is the recording, and not the JSON
// beside it.
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
	r.Index, r.Session, r.About = index, index.Session, index.About
	names := slices.Clone(index.Files)
	slices.SortFunc(names, byNumber)
	for _, name := range names {
		m, ok := members[name]
		if !ok {
			return &MissingPartError{Index: file + ": " + indexName, Part: name}
		}
		r.add(m)
	}
	return nil
}

// listTar returns the regular files of a tar by base name. If the tar is truncated,
// it returns those that begin before the end, and an error.
func listTar(file string, f io.ReaderAt, length int64, open section) (map[string]Part, error) {
	members := map[string]Part{}
	at := io.NewSectionReader(f, 0, length)
	for t := tar.NewReader(at); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) && len(members) > 0 {
			return members, fmt.Errorf("%s: the archive ends too early: %w", path.Base(file), ErrCut)
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
		// The reader is at the member's first byte.
		offset, err := at.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		name := path.Base(path.Clean(h.Name))
		size := max(0, min(h.Size, length-offset)) // of a truncated file, what there is
		members[name] = Part{
			Name: name, Size: size, ModTime: h.ModTime,
			raw: func() (io.ReadCloser, error) { return open(offset, size) },
		}
	}
}

// OpenStream opens a recording that can be read only once: a dump, compressed or
// not, or a tar. It copies it to an unlinked file in the folder for temporary
// files, whose space is freed when the process ends. name is for people.
func OpenStream(name string, in io.Reader) (*Recording, error) {
	spooled, size, _, err := spool(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	_, head, err := Look(io.NewSectionReader(spooled, 0, size))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var r *Recording
	switch {
	case !tarHead(head):
		r = &Recording{}
		r.add(Part{Name: name, Size: size, raw: func() (io.ReadCloser, error) { return within(spooled)(0, size) }})
	case bytes.HasPrefix(head, peek(spooled, len(head))):
		r, err = openTar(name, spooled, size, within(spooled))
	default:
		var plain io.Reader
		if plain, err = decompress(io.NewSectionReader(spooled, 0, size)); err == nil {
			r, err = openSpooledTar(name, plain)
		}
	}
	if err != nil {
		return nil, err
	}
	return r.complete(name)
}

func peek(f io.ReaderAt, n int) []byte {
	b := make([]byte, n)
	n, _ = f.ReadAt(b, 0)
	return b[:n]
}

// spool copies r to an unlinked file, which disappears when the process ends. cut
// is the error of compressed data that is truncated or damaged.
func spool(r io.Reader) (f *os.File, size int64, cut, err error) {
	f, err = os.CreateTemp("", "jumpserver-video-")
	if err != nil {
		return nil, 0, nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	size, err = io.Copy(f, r)
	if Damaged(err) {
		cut, err = err, nil
	}
	if err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	return f, size, cut, nil
}

// Streamed reports whether a path that a person has given can be read only once.
func Streamed(path string) bool {
	st, err := os.Stat(path)
	return err == nil && regular.Streams(st.Mode())
}
