package watcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// ErrNoVolume means that there is no replay volume: no folder is configured, or it
// has never existed. There are then other sources of recordings only.
var ErrNoVolume = errors.New("there is no replay volume")

// Mount is core's replay folder as mounted on this host. It distinguishes a volume
// that is away from one that never existed. An agent without a volume trusts core
// about the volume's content, and must not begin to do so because a mount has
// failed. Its methods may be called from many goroutines.
type Mount struct {
	dir, file string
	none      atomic.Bool // as of the last Look

	mu  sync.Mutex // guards was
	was past
}

// past is what is stored about a volume across restarts.
type past struct {
	Root   string `json:"root"`
	Filled bool   `json:"filled"` // the folder was not empty
}

// Files in an agent's data folder.
const (
	// StateFile is the State of the agent's [Watcher].
	StateFile = "volume.json"

	mountFile = "replay-volume.json"
)

// NewMount returns the volume at dir; "" = none. Its state is stored in the agent's
// data folder; if that is "", only in memory. NewMount does not access the volume.
// It returns an error if the stored state cannot be read.
func NewMount(dir, data string) (*Mount, error) {
	m := &Mount{dir: dir}
	m.none.Store(dir == "")
	if dir == "" || data == "" {
		return m, nil
	}
	m.file = filepath.Join(data, mountFile)
	// Agents of earlier releases stored no more than the watcher's state.
	for _, name := range []string{m.file, filepath.Join(data, StateFile)} {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("data folder: %w", err)
		}
		var was struct {
			past
			Days map[string]any `json:"days"`
		}
		if json.Unmarshal(data, &was) != nil {
			was.past = past{Root: dir} // the volume existed once, or this file would not exist
		}
		// A watcher writes its state also if there was no volume.
		if was.Root == dir && (name == m.file || len(was.Days) > 0) {
			m.was = was.past
			break
		}
	}
	return m, nil
}

// Dir returns the folder, whether it is mounted or not; "" = none.
func (m *Mount) Dir() string { return m.dir }

// None reports whether there was no volume at the last Look. It accesses no file;
// before the first Look it is true only if no folder is configured.
func (m *Mount) None() bool { return m.none.Load() }

// Known reports whether the volume has ever existed.
func (m *Mount) Known() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.was.Root != ""
}

// Look returns nil if the volume exists, [ErrNoVolume] if it never existed, or why it
// is away. It can hang as long as the volume does.
func (m *Mount) Look() error {
	if m.dir == "" {
		return ErrNoVolume
	}
	empty, err := isEmpty(m.dir)
	return m.judge(empty, err)
}

// judge is Look for a caller that has read the folder: empty reports whether
// it is empty, err is the error of reading it.
func (m *Mount) judge(empty bool, err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist) && m.was.Root == "":
		m.none.Store(true)
		return fmt.Errorf("%w: %s does not exist and never did", ErrNoVolume, m.dir)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s no longer exists, but did before: is it mounted?", m.dir)
	case err != nil:
		m.none.Store(false)
		return err
	case empty && m.was.Filled:
		return fmt.Errorf("%s is empty, but was not before: is it mounted?", m.dir)
	}
	m.none.Store(false)
	return m.remember(past{Root: m.dir, Filled: m.was.Filled || !empty})
}

// remember stores the state of the volume. The caller must hold mu.
func (m *Mount) remember(now past) error {
	if now == m.was {
		return nil
	}
	if m.file != "" {
		data, err := json.Marshal(now)
		if err == nil {
			err = durable.WriteFile(m.file, append(data, '\n'), 0o600)
		}
		if err != nil {
			return fmt.Errorf("record that the replay volume exists: %w", err)
		}
	}
	m.was = now
	return nil
}

func isEmpty(dir string) (bool, error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}
