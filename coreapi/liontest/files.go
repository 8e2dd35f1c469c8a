package liontest

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Record copies the recording at a path into Lion's folder, as Lion has it when the
// session has ended: a flat .replay.gz in all eras, a folder of parts in the
// newest.
func (l *Lion) Record(session, from string) error {
	switch l.era {
	case Parts:
		return l.recordParts(session, from)
	case Raw:
		return unpack(from, filepath.Join(l.dir, session))
	default:
		return link(from, filepath.Join(l.dir, session+".replay.gz"))
	}
}

// recordParts copies a folder's parts, or makes a flat recording the only part.
func (l *Lion) recordParts(session, from string) error {
	to := filepath.Join(l.dir, session)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	parts, err := filepath.Glob(filepath.Join(from, "*.part.gz"))
	if err != nil {
		return err
	}
	for _, part := range parts {
		_, rest, _ := strings.Cut(filepath.Base(part), ".")
		if err := link(part, filepath.Join(to, session+"."+rest)); err != nil {
			return err
		}
	}
	if len(parts) == 0 {
		return link(from, filepath.Join(to, session+".0.part.gz"))
	}
	return nil
}

// Left returns the sessions whose recordings are still in Lion's folder.
func (l *Lion) Left() []string {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil
	}
	var sessions []string
	for _, e := range entries {
		session, _, _ := strings.Cut(e.Name(), ".")
		sessions = append(sessions, session)
	}
	return slices.Compact(sessions)
}

// files returns the files of a recording that are large enough, measured
// uncompressed, in the order of their names: part 10 comes before part 2. The last
// part is always included.
func (l *Lion) files(session string) ([]string, error) {
	pattern, minimum := session+"*", int64(minFlat)
	if l.era == Parts {
		pattern, minimum = filepath.Join(session, "*.part.gz"), minPart
	}
	found, err := filepath.Glob(filepath.Join(l.dir, pattern))
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	last := 0
	for _, path := range found {
		last = max(last, number(path))
	}
	var large []string
	for _, path := range found {
		size, err := plainSize(path)
		if err != nil {
			return nil, err
		}
		if size >= minimum || l.era == Parts && number(path) == last {
			large = append(large, path)
		}
	}
	return large, nil
}

// number returns the number of a part; 0 for another file.
func number(path string) int {
	_, rest, _ := strings.Cut(filepath.Base(path), ".")
	n, _ := strconv.Atoi(strings.TrimSuffix(rest, ".part.gz"))
	return n
}

// plainSize returns the uncompressed size of a file in bytes.
func plainSize(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	z, err := gzip.NewReader(f)
	if err != nil || st.Size() >= minPart { // it is not compressed, or large enough compressed
		return st.Size(), nil //nolint:nilerr // as above
	}
	n, _ := io.Copy(io.Discard, z) // if the file is truncated, count what there is
	return n, nil
}

// index writes the .replay.json of the fallback.
func (l *Lion) index(session string, files []string) (string, error) {
	meta, err := l.meta(session, "", files)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(meta)
	if err != nil {
		return "", err
	}
	path := filepath.Join(l.dir, session, session+".replay.json")
	return path, os.WriteFile(path, data, 0o644)
}

func link(from, to string) error {
	if err := os.Link(from, to); err == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func unpack(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, z) //nolint:gosec // a recording of the tests
	return errors.Join(err, out.Close())
}

func compress(from string) (to string, err error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	out, err := os.CreateTemp("", "lion-*.replay.gz")
	if err != nil {
		return "", err
	}
	z := gzip.NewWriter(out)
	_, err = z.Write(data)
	return out.Name(), errors.Join(err, z.Close(), out.Close())
}
