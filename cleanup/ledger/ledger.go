package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Names below DATA_DIR.
const (
	folder     = "ledger"
	fileName   = "ledger.jsonl"
	publicName = "ledger.pub"
	keyName    = "keys/ledger.key"
)

// Path returns the path of an agent's ledger.
func Path(dataDir string) string { return filepath.Join(dataDir, folder, fileName) }

// PublicPath returns the path of the public keys that belong to a ledger.
func PublicPath(ledger string) string { return filepath.Join(filepath.Dir(ledger), publicName) }

// Ledger appends to an agent's ledger. It may be used by several goroutines,
// but by one process at a time.
type Ledger struct {
	dir   string // DATA_DIR
	agent string
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex // guards what follows
	key     ed25519.PrivateKey
	file    *os.File
	size    int64  // bytes of the file that are known good
	seq     int64  // the last line
	head    string // its hash
	ready   bool   // it was opened to the end
	why     string // given to open when it was not
	torn    bool   // a write failed, and what it left could not be cut off
	facts   facts
	trouble error // what did not verify; nil = nothing
}

// Open opens the ledger below an agent's DATA_DIR, and makes one with its key
// where there is none. A ledger that does not verify is no error: see [Ledger.Trouble].
func Open(dataDir, agent string, log *slog.Logger) (*Ledger, error) {
	l := &Ledger{dir: dataDir, agent: agent, log: log, now: time.Now}
	if err := l.open(""); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	log.Info("the ledger is open", "file", l.path(), "entries", l.seq, "head", l.head)
	return l, nil
}

func (l *Ledger) path() string { return Path(l.dir) }

// public is the key that entries are checked with.
func (l *Ledger) public() Key {
	return Key{l.agent, l.key.Public().(ed25519.PublicKey)}
}

// Trouble returns what did not verify when the ledger was opened, or was changed
// by something else since; nil if nothing. It lasts until the ledger was moved
// away, and looked at by a human.
func (l *Ledger) Trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble
}

// Head returns the number of entries and the hash of the last one. Whoever
// notes the two elsewhere can show later that none is missing.
func (l *Ledger) Head() (entries int64, hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq, l.head
}

// Close closes the ledger. It must not be used afterwards.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// Append adds an entry, and returns when it is on the disk. An entry that says
// again what was said last of its MP4, as by a step that is repeated after a
// crash, is left out. Errors are those of the file system, after which Append
// may be repeated, and [ErrEntry].
func (l *Ledger) Append(e Entry) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.unchanged(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if l.facts.has(e) {
		return nil
	}
	if err := l.append(e); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	l.log.Info("noted in the ledger", "session", e.Session, "kind", string(e.Kind), "entry", l.seq, "head", l.head)
	return nil
}

// append writes an entry. The caller must hold mu, or be the only one.
func (l *Ledger) append(e Entry) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Seq, e.Agent, e.Prev = l.seq+1, l.agent, l.head
	if e.Prev == "" {
		e.Prev = noPrev
	}
	e.Key = ""
	if e.Kind == KindOpened {
		e.Key = l.public().text()
	}
	line, err := newLine(e, l.key)
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(line, '\n'))
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil { // nobody knows how much of it is there
		cut := l.file.Truncate(l.size)
		l.torn = cut != nil
		return errors.Join(err, cut)
	}
	l.size += int64(len(line)) + 1
	l.seq, l.head = e.Seq, hashOf(line)
	l.facts.add(e)
	return nil
}

// unchanged looks whether the file is still the one that was written last.
// Another one, as after it was moved away, is opened; what is there has been
// made by something else and gets a section of its own after it. What a write
// that failed has left is cut off. The caller must hold mu.
func (l *Ledger) unchanged() error {
	if !l.ready {
		return l.open(l.why)
	}
	have, err := l.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(l.path())
	switch {
	case errors.Is(err, os.ErrNotExist):
		l.log.Warn("the ledger was moved away; another one begins", "file", l.path(), "entries", l.seq, "head", l.head)
		return l.open(fmt.Sprintf("the one before was moved away; it ended with entry %d, %s", l.seq, l.head))
	case err != nil:
		return err
	case !os.SameFile(have, there):
		return l.open(fmt.Sprintf("another file is in the place of the one that ended with entry %d, %s", l.seq, l.head))
	case have.Size() > l.size && l.torn:
		if err := l.file.Truncate(l.size); err != nil {
			return err
		}
		l.torn = false
	case have.Size() != l.size:
		return l.open(fmt.Sprintf("something else wrote to it: it has %d bytes instead of %d, and ended with entry %d, %s", have.Size(), l.size, l.seq, l.head))
	}
	return nil
}
