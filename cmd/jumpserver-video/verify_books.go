package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
)

// book is a ledger that is open for reading.
type book struct {
	File     string         `json:"file"`
	Entries  int            `json:"entries"`
	Head     string         `json:"head"` // hash of the last entry
	Last     *time.Time     `json:"last,omitempty"`
	Believed []string       `json:"keys"` // fingerprints of the keys that it was checked with
	Foreign  bool           `json:"keys_given"`
	Faults   []ledger.Fault `json:"faults"`

	missing []ledger.Fault // entries of --head that it lacks
	file    *os.File
	audited *ledger.Audited
	keys    []ledger.Key
}

// books are the ledgers that verify reads.
type books struct{ all []*book }

func (b *books) close() {
	for _, book := range b.all {
		book.file.Close()
	}
}

// openBooks opens and checks the given ledgers, or that of the agent on this host.
func (a *app) openBooks(opt verifyOptions) (*books, error) {
	given, err := givenKeys(opt.keys)
	if err != nil {
		return nil, err
	}
	names := opt.ledgers
	if len(names) == 0 {
		cfg, err := a.agentConfig()
		if err != nil {
			return nil, err
		}
		names = []string{ledger.Path(cfg.DataDir)}
	}
	opened := &books{}
	for _, name := range names {
		files, err := ledgerFiles(name)
		if err != nil {
			opened.close()
			return nil, err
		}
		for _, file := range files {
			book, err := openBook(file, given)
			if err != nil {
				opened.close()
				return nil, err
			}
			opened.all = append(opened.all, book)
		}
	}
	return opened, nil
}

func givenKeys(files []string) (keys []ledger.Key, err error) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		more, err := ledger.ParseKeys(string(text))
		if err != nil {
			return nil, usage(fmt.Errorf("--key %s: %w", file, err))
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

// ledgerFiles returns the ledgers for a name: a file, a DATA_DIR, the folder of the ledger
// in it, or a folder with exported ledgers.
func ledgerFiles(name string) ([]string, error) {
	st, err := os.Stat(name)
	if err != nil || !st.IsDir() {
		return []string{name}, err
	}
	own := ledger.Path(name)
	if _, err := os.Stat(own); err == nil {
		return []string{own}, nil
	}
	files, err := filepath.Glob(filepath.Join(name, "*.jsonl"))
	if err == nil && len(files) == 0 {
		err = fileTrouble(nil, "cli.verify_no_ledger", "folder", name)
	}
	return files, err
}

// publicKeys returns the keys beside a ledger.
func publicKeys(file string) ([]ledger.Key, error) {
	for _, name := range []string{publicFileOf(file), ledger.PublicPath(file)} {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys, err := ledger.ParseKeys(string(text))
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errFiles, name, err)
		}
		return keys, nil
	}
	return nil, usage(said("cli.verify_no_key", "file", file))
}

func openBook(file string, given []ledger.Key) (*book, error) {
	keys := given
	if len(given) == 0 {
		var err error
		if keys, err = publicKeys(file); err != nil {
			return nil, err
		}
	}
	f, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	b := &book{File: file, Foreign: len(given) > 0, file: f, keys: keys}
	for range 5 { // the agent may just be writing the last entry
		if b.audited, err = ledger.Audit(f, keys); err != nil {
			f.Close()
			return nil, err
		}
		if !b.audited.Incomplete() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.Entries, b.Head = b.audited.Lines, b.audited.Head
	for _, key := range keys {
		b.Believed = append(b.Believed, key.Fingerprint())
	}
	return b, b.audited.Each(max(1, b.Entries), nil, func(l ledger.Line) error {
		b.Last = &l.Entry.Time
		return nil
	})
}

// takeFaults collects all faults, including those found while entries were read.
func (b *books) takeFaults() {
	for _, book := range b.all {
		book.Faults = append(append([]ledger.Fault{}, book.audited.Faults...), book.missing...)
	}
}

// findHeads adds a fault for each hash that no entry has.
func (b *books) findHeads(heads []string) error {
	for _, head := range heads {
		head = strings.ToLower(head[strings.LastIndexByte(head, ':')+1:])
		if len(head) != 64 {
			return usage(said("cli.verify_bad_head", "head", strconv.Quote(head)))
		}
		found := false
		for _, book := range b.all {
			line, err := book.audited.Find(head)
			if err != nil {
				return err
			}
			found = found || line > 0
		}
		if last := b.all[len(b.all)-1]; !found {
			last.missing = append(last.missing, ledger.Fault{Line: last.Entries + 1, What: "the entry with the hash " + head + " is missing"})
		}
	}
	return nil
}

// noted is an entry of one of the ledgers.
type noted struct {
	ledger.Line
	book *book
}

// after orders entries: within a ledger by their lines, otherwise by their times.
func (n noted) after(m noted) bool {
	if n.book == m.book && n.Key.Fingerprint() == m.Key.Fingerprint() {
		return n.Number > m.Number
	}
	return n.Entry.Time.After(m.Entry.Time)
}

// wanted selects entries: about sessions, about MP4s by their hash, or of days.
type wanted struct {
	sessions, hashes, days map[string]bool
}

func newWanted() wanted {
	return wanted{map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

func (w wanted) has(e ledger.Entry) bool {
	return w.sessions[e.Session] || e.MP4 != nil && w.hashes[e.MP4.SHA256] || w.days[e.Date]
}

func (w wanted) words() (words []string) {
	for _, set := range []map[string]bool{w.sessions, w.hashes, w.days} {
		for word := range set {
			words = append(words, word)
		}
	}
	return words
}

// search returns the wanted entries, and all others about the same sessions, in order.
func (b *books) search(w wanted) ([]noted, error) {
	for {
		found, err := b.look(w)
		if err != nil {
			return nil, err
		}
		before := len(w.sessions)
		for _, n := range found {
			if n.Entry.Session != "" {
				w.sessions[n.Entry.Session] = true
			}
		}
		if len(w.sessions) == before {
			slices.SortStableFunc(found, func(x, y noted) int {
				return cmp.Or(x.Entry.Time.Compare(y.Entry.Time), cmp.Compare(x.Number, y.Number))
			})
			return found, nil
		}
	}
}

// sessions returns the sessions whose ids begin with begins, sorted.
func (b *books) sessions(begins string) ([]string, error) {
	found := map[string]bool{}
	for _, book := range b.all {
		if err := book.audited.Each(1, func(line []byte) bool { return bytes.Contains(line, []byte(begins)) }, func(l ledger.Line) error {
			if strings.HasPrefix(l.Entry.Session, begins) {
				found[l.Entry.Session] = true
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (b *books) look(w wanted) (found []noted, err error) {
	words := w.words()
	for _, book := range b.all {
		if err := book.audited.Each(1, func(line []byte) bool { return containsAny(line, words) }, func(l ledger.Line) error {
			if w.has(l.Entry) {
				found = append(found, noted{l, book})
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return found, nil
}
