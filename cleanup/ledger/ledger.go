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

// Ledger appends to an agent's ledger. Several goroutines may use it, but only one
// process at a time.
type Ledger struct {
	dir   string // DATA_DIR
	agent string
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex // guards what follows
	key     ed25519.PrivateKey
	file    *os.File
	size    int64  // bytes of the file that were verified
	seq     int64  // number of the last line
	head    string // hash of the last line
	ready   bool   // open succeeded
	why     string // reason for a new section, for the next open after one that failed
	torn    bool   // a write failed, and its partial line could not be cut off
	facts   facts
	trouble error // what did not verify; nil = all verified
}

// Open opens the ledger in an agent's DATA_DIR; if it does not exist, Open creates it
// with its key. For a ledger that does not verify it returns no error: see
// [Ledger.Trouble].
func Open(dataDir, agent string, log *slog.Logger) (*Ledger, error) {
	l := &Ledger{dir: dataDir, agent: agent, log: log, now: time.Now}
	if err := l.open(""); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	log.Info("the ledger is open", "file", l.path(), "entries", l.seq, "head", l.head)
	return l, nil
}

func (l *Ledger) path() string { return Path(l.dir) }

// public returns the key that verifies entries.
func (l *Ledger) public() Key {
	return Key{l.agent, l.key.Public().(ed25519.PublicKey)}
}

// Trouble returns what did not verify when the ledger was opened, or that another
// program has changed it since; nil if there is nothing. It lasts until someone has
// checked the ledger and moved it away.
func (l *Ledger) Trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble
}

// Head returns the number of entries and the hash of the last one. Someone who
// keeps the two elsewhere can show later that no entry is missing.
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

// Append adds an entry, and returns when it is on the disk. It ignores an entry
// that repeats the last one about its MP4, as when a step is repeated after a
// crash. It returns errors of the file system, after which Append may be retried,
// and [ErrEntry].
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

// append writes an entry. The caller must hold mu, or have the only reference.
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
	if err != nil { // how much was written is unknown
		cut := l.file.Truncate(l.size)
		l.torn = cut != nil
		return errors.Join(err, cut)
	}
	l.size += int64(len(line)) + 1
	l.seq, l.head = e.Seq, hashOf(line)
	l.facts.add(e)
	return nil
}

// unchanged checks whether the file is still the one that was written last. If it
// is another one, for example after it was moved away, it is opened. Lines that
// another program has added are followed by a new section. The partial line of a
// failed write is cut off. The caller must hold mu.
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
		l.log.Warn("the ledger was moved away; a new one begins", "file", l.path(), "entries", l.seq, "head", l.head)
		return l.open(fmt.Sprintf("the previous ledger was moved away; it ended with entry %d, %s", l.seq, l.head))
	case err != nil:
		return err
	case !os.SameFile(have, there):
		return l.open(fmt.Sprintf("another file has replaced the ledger that ended with entry %d, %s", l.seq, l.head))
	case have.Size() > l.size && l.torn:
		if err := l.file.Truncate(l.size); err != nil {
			return err
		}
		l.torn = false
	case have.Size() != l.size:
		return l.open(fmt.Sprintf("another program wrote to the ledger: it has %d bytes instead of %d, and ended with entry %d, %s", have.Size(), l.size, l.seq, l.head))
	}
	return nil
}
