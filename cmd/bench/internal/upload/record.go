package upload

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// record gives the recordings to Lion, and makes their sessions known to core. It
// returns the ids of the sessions, and the total size of the recordings.
func (t *trial) record(lion *liontest.Lion) (ids []string, bytes int64, err error) {
	from, n := "", t.sessions
	if t.large > 0 {
		n, from = 1, filepath.Join(t.agent.Dir, "large.gz")
		if err := large(from, int64(t.large)*1e6); err != nil {
			return nil, 0, err
		}
	} else if from, err = folder(t.recording); err != nil {
		return nil, 0, err
	}
	for i := range n {
		id := fmt.Sprintf("be7c4000-0000-4000-8000-%012d", i)
		t.session(id)
		if err := lion.Record(id, from); err != nil {
			return nil, 0, err
		}
		parts, err := filepath.Glob(filepath.Join(t.agent.Dir, "lion", id, "*.part.gz"))
		if err != nil {
			return nil, 0, err
		}
		for _, part := range parts {
			st, err := os.Stat(part)
			if err != nil {
				return nil, 0, err
			}
			bytes += st.Size()
		}
		ids = append(ids, id)
	}
	return ids, bytes, nil
}

// folder returns the path of the recording in a day's folder: the folder of its parts,
// or its file if it is flat.
func folder(day string) (string, error) {
	parts, err := filepath.Glob(filepath.Join(day, "*", "*.part.gz"))
	if err == nil && len(parts) > 0 {
		return filepath.Dir(parts[0]), nil
	}
	flat, err := filepath.Glob(filepath.Join(day, "*.replay.gz"))
	if err != nil || len(flat) == 0 {
		return "", fmt.Errorf("there is no recording below %s; --recording must be the folder of a day", day)
	}
	return flat[0], nil
}

// large writes a recording of about size bytes. It is stored in gzip without
// compression, and its content is random.
func large(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 1<<20)
	z, err := gzip.NewWriterLevel(buffered, gzip.NoCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write([]byte("4.size,1.0,4.1024,3.768;4.sync,4.1000;")); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 1))
	for written := int64(0); written < size; {
		n, err := fmt.Fprintf(z, "3.nop,64.%016x%016x%016x%016x;", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
		if err != nil {
			return err
		}
		written += int64(n)
	}
	if err := z.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}
