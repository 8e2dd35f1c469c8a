package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Fault is a place where a ledger does not verify.
type Fault struct {
	Line int    `json:"line"` // from 1
	What string `json:"what"`
}

func (f Fault) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.What) }

// maxRuns limits how many pieces a ledger may be in. A ledger with more makes no
// sense, and is not read to its end.
const maxRuns = 1000

// Audited is a ledger that was checked.
type Audited struct {
	Lines  int     // complete lines
	Head   string  // hash of the last complete line, hex; "" = no line
	Faults []Fault // in the order of their lines

	file io.ReaderAt
	ends []int64 // end of each line, after its newline; the first is 0
	torn int64   // bytes after the last newline
	runs []run
	keys []Key
}

// run is a piece of a ledger in which each line contains the hash of the previous
// line, so that a valid signature proves all earlier lines of the run.
type run struct {
	from, to int // first and last line
	proven   int // the last line with a valid signature of a known key; from-1 = none
	key      int // index of that key
	cut      bool
	strange  bool // the run is one line that is not an entry
}

// Audit checks a ledger, or several one after the other, with public keys. It
// returns only errors of reading as an error; what does not verify is a fault. It
// does not trust keys in the ledger itself.
func Audit(r io.ReaderAt, keys []Key) (*Audited, error) {
	a := &Audited{file: r, ends: []int64{0}, keys: keys}
	if err := a.split(); err != nil {
		return nil, err
	}
	for i := range a.runs {
		if err := a.prove(&a.runs[i]); err != nil {
			return nil, err
		}
	}
	for i := range a.runs {
		if err := a.addFaults(i); err != nil {
			return nil, err
		}
	}
	switch {
	case a.abandoned():
		a.fault(a.Lines, "the file makes no sense, and the rest of it was not read")
	case a.torn > 0:
		a.fault(a.Lines+1, "it is incomplete")
	case a.Lines == 0:
		a.fault(1, "there is no entry")
	}
	return a, nil
}

// fault adds a fault, once.
func (a *Audited) fault(line int, what string) {
	if f := (Fault{line, what}); !slices.Contains(a.Faults, f) {
		a.Faults = append(a.Faults, f)
	}
}

// abandoned reports whether the ledger was not read to its end.
func (a *Audited) abandoned() bool { return len(a.runs) > maxRuns }

// split finds the lines and the runs.
func (a *Audited) split() error {
	return eachLine(io.NewSectionReader(a.file, 0, 1<<62), func(line []byte, size int64, complete bool) bool {
		if !complete {
			a.torn = size
			return false
		}
		a.Lines++
		a.ends = append(a.ends, a.ends[len(a.ends)-1]+size)
		a.join(line)
		a.Head = hashOf(line)
		return !a.abandoned()
	})
}

// join adds a line to the run that it continues, or to a new one.
func (a *Audited) join(line []byte) {
	n := a.Lines
	if !framed(line) {
		a.runs = append(a.runs, run{from: n, to: n, strange: true})
		return
	}
	prev := prevOf(line)
	follows := prev == a.Head || prev == noPrev && (n == 1 || opens(line))
	if last := len(a.runs) - 1; follows && last >= 0 && !a.runs[last].strange && !opens(line) {
		a.runs[last].to = n
		return
	}
	a.runs = append(a.runs, run{from: n, to: n, cut: !follows})
}

// prove finds the last line of a run that is signed with one of the keys. It also
// proves all lines before it, because its signature covers their hashes.
func (a *Audited) prove(r *run) error {
	r.proven = r.from - 1
	if r.strange {
		return nil
	}
	var failed error
	for k, key := range a.keys {
		signed := func(n int) bool {
			line, err := a.line(n)
			failed = errors.Join(failed, err)
			return err == nil && signedBy(line, key.public)
		}
		good := r.to - r.from + 1
		if !signed(r.to) {
			good = sort.Search(good, func(i int) bool { return !signed(r.from + i) })
		}
		if last := r.from - 1 + good; last > r.proven {
			r.proven, r.key = last, k
		}
		if r.proven == r.to || failed != nil {
			break
		}
	}
	return failed
}

// addFaults adds the faults of a run.
func (a *Audited) addFaults(i int) error {
	r := a.runs[i]
	if r.cut && (i == 0 || a.runs[i-1].proven == a.runs[i-1].to) {
		a.fault(r.from, "the entry that it follows is missing")
	}
	switch {
	case r.strange:
		a.fault(r.from, "it is not an entry")
	case r.proven == r.to:
	default:
		foreign, err := a.foreign(r)
		if err != nil {
			return err
		}
		if foreign != "" {
			a.fault(r.from, "the signature does not match the key; it is of the key with the fingerprint "+foreign)
		} else {
			a.fault(r.proven+1, "it was changed, or the signature does not match the key")
		}
	}
	return nil
}

// foreign returns the fingerprint of the key that a section contains and is signed
// with, if none of its lines is signed with a known key.
func (a *Audited) foreign(r run) (string, error) {
	if r.proven >= r.from {
		return "", nil
	}
	line, err := a.line(r.from)
	if err != nil || !opens(line) {
		return "", err
	}
	e, err := decode(line)
	if err != nil {
		return "", nil //nolint:nilerr // of no use, then
	}
	key, err := parseKey(e.Key)
	if err != nil || !signedBy(line, key.public) {
		return "", nil //nolint:nilerr // likewise
	}
	return key.Fingerprint(), nil
}

// line reads the n-th line, without its newline.
func (a *Audited) line(n int) ([]byte, error) {
	b := make([]byte, a.ends[n]-a.ends[n-1]-1)
	_, err := a.file.ReadAt(b, a.ends[n-1])
	return b, err
}

// proven reports whether the n-th line is signed with a known key, and with
// which.
func (a *Audited) proven(n int) (Key, bool) {
	i, _ := slices.BinarySearchFunc(a.runs, n, func(r run, n int) int { return r.to - n })
	if i == len(a.runs) || n > a.runs[i].proven {
		return Key{}, false
	}
	return a.keys[a.runs[i].key], true
}

// Incomplete reports whether the file continues after the last newline: with part
// of an entry, which may be being written now.
func (a *Audited) Incomplete() bool { return a.torn > 0 }

// Find returns the number of the proven line with a hash; 0 if no line has it.
func (a *Audited) Find(hash string) (line int, err error) {
	n := 0
	err = eachLine(a.Text(), func(text []byte, _ int64, _ bool) bool {
		n++
		if _, ok := a.proven(n); ok && hashOf(text) == hash {
			line = n
		}
		return line == 0
	})
	return line, err
}

// Text returns the complete lines.
func (a *Audited) Text() io.Reader { return io.NewSectionReader(a.file, 0, a.ends[a.Lines]) }

// Line is an entry with a valid signature of a known key.
type Line struct {
	Number int
	Hash   string // hex
	Key    Key
	Entry  Entry
}

// Each calls visit for the entries with a valid signature of a known key, from the
// first line of run from on, until visit fails. It skips entries for which want
// returns false; want gets the text of each line, which it must not keep. If want
// is nil, no entry is skipped.
func (a *Audited) Each(from int, want func(line []byte) bool, visit func(Line) error) error {
	n, failed := from-1, error(nil)
	start := a.ends[min(n, a.Lines)]
	err := eachLine(io.NewSectionReader(a.file, start, a.ends[a.Lines]-start), func(line []byte, _ int64, _ bool) bool {
		n++
		key, ok := a.proven(n)
		if !ok || want != nil && !want(line) {
			return true
		}
		e, err := decode(line)
		if err != nil {
			a.fault(n, fmt.Sprintf("it is signed but cannot be parsed, perhaps because a newer version wrote it: %v", err))
			return true
		}
		failed = visit(Line{n, hashOf(line), key, e})
		return failed == nil
	})
	return errors.Join(failed, err)
}

// eachLine calls visit for the lines of r, without their newlines, with their sizes
// in bytes, until visit returns false. A line that is longer than any entry is
// passed as an empty line with its size.
func eachLine(r io.Reader, visit func(line []byte, size int64, complete bool) bool) error {
	b := bufio.NewReaderSize(r, 1<<20)
	for {
		line, size, err := readLine(b)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		complete := err == nil
		if !complete && size == 0 {
			return nil
		}
		if !visit(line, size, complete) || !complete {
			return nil
		}
	}
}

func readLine(b *bufio.Reader) (line []byte, size int64, err error) {
	for {
		piece, err := b.ReadSlice('\n')
		size += int64(len(piece))
		if size <= maxEntry+1 {
			if line == nil && err == nil {
				return piece[:len(piece)-1], size, nil // valid until the next read
			}
			line = append(line, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if size > maxEntry+1 {
			line = nil
		} else if err == nil {
			line = line[:len(line)-1]
		}
		return line, size, err
	}
}
