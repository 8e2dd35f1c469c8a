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

// ErrNoKey means that a [KeyFile] does not exist or holds no key.
var ErrNoKey = errors.New("no access key")

// KeyFile is the file of the access key. As in JumpServer's components it is named
// .access_key, holds "id:secret", and only its owner can read it.
type KeyFile struct {
	// Dir is the folder, DATA_DIR/keys; it is created if necessary, mode 0700.
	Dir string
}

// Path returns the path of the file.
func (f KeyFile) Path() string { return filepath.Join(f.Dir, ".access_key") }

// Load reads the key. [ErrNoKey] means that there is no usable key; other errors
// mean that there may be a key but it cannot be read.
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

// namePath returns the path of the file that keeps the name of the key's component.
func (f KeyFile) namePath() string { return filepath.Join(f.Dir, ".component") }

// Component returns the name of the key's component in core; "" if it is unknown.
func (f KeyFile) Component() string {
	b, err := os.ReadFile(f.namePath())
	if err != nil {
		return "" // not a name that a component can have
	}
	return strings.TrimSpace(string(b))
}

// SaveComponent stores that name, unless it is stored already.
func (f KeyFile) SaveComponent(name string) error {
	if name == "" || name == f.Component() {
		return nil
	}
	if err := durable.WriteFile(f.namePath(), []byte(name+"\n"), 0o600); err != nil {
		return fmt.Errorf("save the component's name: %w", err)
	}
	return nil
}

// Prepare checks that a key can be saved before core is asked for one.
func (f KeyFile) Prepare() error {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return fmt.Errorf("prepare the folder of the access key: %w", err)
	}
	file, err := durable.Create(f.Path(), 0o600)
	if err != nil {
		return fmt.Errorf("prepare the folder of the access key: %w", err)
	}
	file.Abort()
	return nil
}

// Save writes the key durably. The former file is kept with the time in its name,
// .access_key_2006-01-02_15-04-05. At every moment the file holds the former key or
// the new one.
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

// keepFormer copies the present file. It does not link it, because not every file
// system has hard links. It does not rename it, because then there would be no key
// for a moment.
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
