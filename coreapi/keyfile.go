package coreapi

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// ErrNoKey means that a [KeyFile] is absent or holds no key.
var ErrNoKey = errors.New("no access key")

// KeyFile keeps the access key where JumpServer's components do: the file
// .access_key, holding "id:secret", readable by its owner only.
type KeyFile struct {
	// Dir is the folder, DATA_DIR/keys; it is made when needed, mode 0700.
	Dir string
}

// Path is the file's.
func (f KeyFile) Path() string { return filepath.Join(f.Dir, ".access_key") }

// Load reads the key. [ErrNoKey] means that there is none worth using; other
// errors, that there may be one but it cannot be read.
func (f KeyFile) Load() (Key, error) {
	b, err := os.ReadFile(f.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read access key: %w", err)
	}
	id, secret, ok := strings.Cut(strings.TrimSpace(string(b)), ":")
	if !ok || uuid.Validate(id) != nil || secret == "" || strings.Contains(secret, ":") {
		return Key{}, fmt.Errorf("%w: %s does not hold id:secret", ErrNoKey, f.Path())
	}
	return Key{ID: id, Secret: secret}, nil
}

// Prepare checks that a key can be saved, so that none is asked for in vain.
func (f KeyFile) Prepare() error {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return fmt.Errorf("make room for the access key: %w", err)
	}
	file, err := durable.Create(f.Path(), 0o600)
	if err != nil {
		return fmt.Errorf("make room for the access key: %w", err)
	}
	file.Abort()
	return nil
}

// Save writes the key durably. A file that is there already is kept under its
// name and the time, .access_key_2006-01-02_15-04-05. At every moment there is
// the former key or the new one.
func (f KeyFile) Save(k Key) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("save access key: %w", err)
		}
	}()
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	if err := f.keepFormer(); err != nil {
		return err
	}
	return durable.WriteFile(f.Path(), []byte(k.ID+":"+k.Secret), 0o600)
}

// keepFormer copies the file that is there: not every file system has hard
// links, and renaming it would leave none for a moment.
func (f KeyFile) keepFormer() error {
	former, err := os.ReadFile(f.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return durable.WriteFile(f.Path()+time.Now().Format("_2006-01-02_15-04-05"), former, 0o600)
}
