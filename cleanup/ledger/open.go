package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// pending is the suffix of files with lines that were cut off and that no entry
// mentions yet.
const pending = ".pending"

// open opens the file. It begins a new section if the last one cannot be continued,
// or if why gives a reason, for people, not to continue it. If open fails, it must
// be called again before anything is appended.
func (l *Ledger) open(why string) error {
	l.ready, l.why = false, why
	for _, dir := range []string{filepath.Dir(l.path()), filepath.Join(l.dir, filepath.Dir(keyName))} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	damaged, err := l.loadKey()
	if err != nil {
		return err
	}
	keys, err := l.keys()
	if err != nil {
		return err
	}
	a, err := l.load(keys)
	if err != nil {
		return err
	}
	l.size, l.seq, l.head, l.facts, l.trouble = a.ends[a.Lines], int64(a.Lines), a.Head, facts{}, nil
	if err := a.Each(max(1, a.Lines-maxFacts), nil, func(line Line) error { l.facts.add(line.Entry); return nil }); err != nil {
		return err
	}
	if why == "" {
		why = damaged
	}
	if why == "" {
		if why, err = l.mayNotContinue(a); err != nil {
			return err
		}
	}
	l.tell(a, why)
	if why != "" || a.Lines == 0 {
		if err := l.append(Entry{Kind: KindOpened, Detail: why}); err != nil {
			return err
		}
	}
	if err := l.noteRecovered(); err != nil {
		return err
	}
	l.ready = true
	return nil
}

// tell logs and stores what is wrong with the ledger.
func (l *Ledger) tell(a *Audited, why string) {
	if a.Lines == 0 {
		return
	}
	switch {
	case len(a.Faults) > 0:
		l.trouble = fmt.Errorf("%s does not verify: %s", l.path(), a.Faults[0])
	case why != "":
		l.trouble = fmt.Errorf("%s: %s", l.path(), why)
	default:
		return
	}
	l.log.Error("the ledger was changed; check its earlier entries (docs/verify.md); new entries follow in a new section",
		"file", l.path(), "faults", len(a.Faults), "error", l.trouble)
}

// mayNotContinue returns why the last section cannot be continued; "" if it can, or
// if there is no section.
func (l *Ledger) mayNotContinue(a *Audited) (string, error) {
	if a.Lines == 0 {
		return "", nil
	}
	key, ok := a.proven(a.Lines)
	switch {
	case ok && key.public.Equal(l.public().public):
		return "", nil
	case ok:
		return "the key has changed", nil
	case len(a.Faults) == 0: // cannot happen
		return "", errors.New("a ledger without fault that is not proven")
	}
	return "the ledger up to here does not verify: " + a.Faults[0].String(), nil
}

// loadKey reads the key. If the key is damaged, loadKey moves it away, creates
// another one, and returns the reason.
func (l *Ledger) loadKey() (damaged string, err error) {
	file := filepath.Join(l.dir, keyName)
	l.key, err = privateKey(file)
	if errors.Is(err, errKey) {
		away := file + ".damaged-" + l.stamp()
		l.log.Error("the ledger's key is damaged; a new key was created", "moved", away, "error", err)
		if err := os.Rename(file, away); err != nil {
			return "", err
		}
		damaged = "the key was damaged and replaced by a new one"
		l.key, err = privateKey(file)
	}
	return damaged, err
}

func (l *Ledger) stamp() string { return l.now().UTC().Format("20060102T150405.000Z") }

// keys returns the public keys of the ledger, ours last, and stores them.
func (l *Ledger) keys() ([]Key, error) {
	own, file := l.public(), PublicPath(l.path())
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	keys, err := ParseKeys(string(text))
	if err != nil && len(text) > 0 {
		l.log.Warn("the file of public keys is damaged; writing a new one", "file", file, "error", err)
	}
	if slices.ContainsFunc(keys, func(k Key) bool { return k.public.Equal(own.public) }) {
		return keys, nil
	}
	keys = append(keys, own)
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintln(&b, k)
	}
	return keys, writeFile(file, strings.NewReader(b.String()), 0o640)
}

// load opens the file and checks it. It moves an incomplete last line away, and
// also a file that makes no sense.
func (l *Ledger) load(keys []Key) (*Audited, error) {
	for once := false; ; once = true {
		f, err := os.OpenFile(l.path(), os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o640)
		if err != nil {
			return nil, err
		}
		if l.file != nil {
			l.file.Close()
		}
		l.file = f
		if err := lock(f); err != nil {
			return nil, err
		}
		if err := syncDir(filepath.Dir(l.path())); err != nil {
			return nil, err
		}
		a, err := Audit(f, keys)
		if err != nil {
			return nil, err
		}
		offset, torn, err := a.tail()
		switch {
		case err != nil:
			return nil, err
		case a.abandoned():
			away := strings.TrimSuffix(l.path(), ".jsonl") + "-unreadable-" + l.stamp() + ".jsonl"
			l.log.Error("the ledger makes no sense; a new one begins", "moved", away, "fault", a.Faults[0])
			err = os.Rename(l.path(), away)
		case torn && !once: // a crash leaves at most one
			err = l.cut(offset)
		default:
			return a, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// tail returns the offset of the last line if a crash has left it incomplete: it
// has no newline or no valid signature, while the previous line is valid.
func (a *Audited) tail() (offset int64, torn bool, err error) {
	if a.torn > 0 {
		return a.ends[a.Lines], true, nil
	}
	if a.Lines == 0 || a.abandoned() {
		return 0, false, nil
	}
	if _, ok := a.proven(a.Lines); ok {
		return 0, false, nil
	}
	if a.Lines > 1 {
		if _, ok := a.proven(a.Lines - 1); !ok {
			return 0, false, nil
		}
	}
	foreign, err := a.foreign(a.runs[len(a.runs)-1])
	return a.ends[a.Lines-1], foreign == "", err
}

// cut moves everything behind offset to a file of its own; noteRecovered later
// makes an entry of it.
func (l *Ledger) cut(offset int64) error {
	name := filepath.Join(filepath.Dir(l.path()), "torn-"+l.stamp()+pending)
	if err := writeFile(name, io.NewSectionReader(l.file, offset, 1<<62), 0o640); err != nil {
		return err
	}
	if err := l.file.Truncate(offset); err != nil {
		return err
	}
	return l.file.Sync()
}

// noteRecovered adds an entry for each line that was cut off.
func (l *Ledger) noteRecovered() error {
	names, err := filepath.Glob(filepath.Join(filepath.Dir(l.path()), "torn-*"+pending))
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		kept := strings.TrimSuffix(name, pending)
		e := Entry{Kind: KindRecovered, Detail: fmt.Sprintf("an incomplete last line of %d bytes was moved to %s; SHA-256 %s",
			len(data), filepath.Base(kept), hashOf(data))}
		if !l.facts.has(e) {
			if err := l.append(e); err != nil {
				return err
			}
			l.log.Warn("the last line of the ledger was incomplete", "moved", kept, "bytes", len(bytes.TrimSpace(data)))
		}
		if err := os.Rename(name, kept); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps other processes from writing to a ledger, if the file system supports
// that.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%s is in use by another process", f.Name())
	}
	return nil
}
