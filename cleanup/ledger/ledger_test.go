package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var discard = slog.New(slog.DiscardHandler)

// session is the id of the n-th session of a test.
func session(n int) string { return fmt.Sprintf("%08x-6c1a-4f0e-8f3a-2d1c0b9a8e7f", n) }

// replaced returns the entry of a session.
func replaced(n int) Entry {
	return Entry{
		Kind: KindReplaced, Session: session(n), Date: "2024-04-23", Place: "server", Compared: ComparedDrawn,
		MP4: &MP4{Path: "2024-04-23/" + session(n) + ".replay.mp4", SHA256: hashOf([]byte(session(n))), Size: 1000, Frames: 12, DurationMS: 8000},
		Source: &Source{
			SHA256: hashOf([]byte("source of " + session(n))), Path: "2024-04-23/" + session(n) + ".replay.gz", Size: 26e6,
			Modified: time.Date(2024, 4, 23, 10, 0, 0, 0, time.UTC),
		},
		Original: FateTrash, Originals: []string{".jumpserver-video-trash/2024-04-24/2024-04-23/" + session(n) + ".replay.gz"},
	}
}

// desk is a ledger in a folder of a test.
type desk struct {
	t   *testing.T
	dir string
	log bytes.Buffer
	*Ledger
}

func newDesk(t *testing.T, entries int) *desk {
	d := &desk{t: t, dir: t.TempDir()}
	d.open()
	for n := range entries {
		d.append(replaced(n))
	}
	return d
}

func (d *desk) open() {
	d.t.Helper()
	var err error
	if d.Ledger, err = Open(d.dir, "worker-1:9000", slog.New(slog.NewTextHandler(&d.log, nil))); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { d.Close() })
}

func (d *desk) reopen() {
	d.t.Helper()
	d.Close()
	d.open()
}

func (d *desk) append(entries ...Entry) {
	d.t.Helper()
	for _, e := range entries {
		if err := d.Append(e); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *desk) text() string {
	d.t.Helper()
	text, err := os.ReadFile(Path(d.dir))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d *desk) write(text string) {
	d.t.Helper()
	if err := os.WriteFile(Path(d.dir), []byte(text), 0o640); err != nil {
		d.t.Fatal(err)
	}
}

// lines returns the ledger's lines, each with its newline.
func (d *desk) lines() []string { return slices.Collect(strings.Lines(d.text())) }

// trusted returns the public keys beside the ledger.
func (d *desk) trusted() []Key {
	d.t.Helper()
	text, err := os.ReadFile(PublicPath(Path(d.dir)))
	if err != nil {
		d.t.Fatal(err)
	}
	keys, err := ParseKeys(string(text))
	if err != nil {
		d.t.Fatal(err)
	}
	return keys
}

func (d *desk) audit() *Audited { return auditText(d.t, d.text(), d.trusted()) }

func auditText(t *testing.T, text string, keys []Key) *Audited {
	t.Helper()
	a, err := Audit(strings.NewReader(text), keys)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// entries returns the proven entries.
func entries(t *testing.T, a *Audited) (all []Entry) {
	t.Helper()
	if err := a.Each(1, nil, func(l Line) error { all = append(all, l.Entry); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func kinds(all []Entry) (kinds []Kind) {
	for _, e := range all {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestWhatIsAppendedIsReadBack(t *testing.T) {
	d := newDesk(t, 2)
	d.append(Deleted(replaced(0).Originals[0]))
	d.reopen()
	d.append(Entry{Kind: KindMovedAside, Session: session(1), MP4: replaced(1).MP4, Originals: []string{"trash/x"}})
	a := d.audit()
	if len(a.Faults) > 0 || d.Trouble() != nil {
		t.Errorf("%v, %v", a.Faults, d.Trouble())
	}
	all := entries(t, a)
	if diff := cmp.Diff([]Kind{KindOpened, KindReplaced, KindReplaced, KindDeleted, KindMovedAside}, kinds(all)); diff != "" {
		t.Fatal(diff)
	}
	want := replaced(1)
	want.Seq, want.Agent, want.Prev, want.Time = 3, "worker-1:9000", hashOf([]byte(strings.TrimSpace(d.lines()[1]))), all[2].Time
	if diff := cmp.Diff(want, all[2]); diff != "" {
		t.Error(diff)
	}
	if all[2].Time.Location() != time.UTC || time.Since(all[2].Time) > time.Minute {
		t.Errorf("time %v", all[2].Time)
	}
	if got := all[3]; got.Session != session(0) || got.Date != "2024-04-23" {
		t.Errorf("deleted: %+v", got)
	}
	if n, head := d.Head(); n != 5 || head != a.Head {
		t.Errorf("%d, %s instead of %s", n, head, a.Head)
	}
	for file, perm := range map[string]fs.FileMode{"keys/ledger.key": 0o600, "ledger/ledger.jsonl": 0o640, "ledger/ledger.pub": 0o640} {
		if st, err := os.Stat(filepath.Join(d.dir, file)); err != nil || st.Mode().Perm()&^perm != 0 {
			t.Errorf("%s: %v, %v", file, st.Mode(), err)
		}
	}
}

// TestAFactIsNotedOnce: a step that is repeated after a crash appends again,
// whether the agent was restarted or not.
func TestAFactIsNotedOnce(t *testing.T) {
	d := newDesk(t, 1)
	again := replaced(0)
	again.Originals, again.Compared = nil, ComparedMark // the original was moved before the crash
	deleted := Deleted(replaced(0).Originals[0])
	d.append(again, deleted, deleted)
	d.reopen()
	d.append(again, deleted)
	if diff := cmp.Diff([]Kind{KindOpened, KindReplaced, KindDeleted}, kinds(entries(t, d.audit()))); diff != "" {
		t.Error(diff)
	}
	// An MP4 that was moved to the trash and exists again is a new fact, and so is
	// another copy of a recording that was replaced.
	late := replaced(0)
	late.Source.Modified = late.Source.Modified.Add(time.Hour)
	d.append(Entry{Kind: KindMovedAside, Session: session(0), MP4: replaced(0).MP4, Originals: []string{"trash/x"}}, replaced(0), late)
	if diff := cmp.Diff([]Kind{KindOpened, KindReplaced, KindDeleted, KindMovedAside, KindReplaced, KindReplaced}, kinds(entries(t, d.audit()))); diff != "" {
		t.Error(diff)
	}
}

func TestAnEntryThatSaysTooLittleIsRefused(t *testing.T) {
	d := newDesk(t, 0)
	for name, spoil := range map[string]func(*Entry){
		"no kind":       func(e *Entry) { e.Kind = "" },
		"our kinds":     func(e *Entry) { e.Kind = KindOpened },
		"no session":    func(e *Entry) { e.Session = "" },
		"no MP4":        func(e *Entry) { e.MP4 = nil },
		"no hash":       func(e *Entry) { e.MP4.SHA256 = "abc" },
		"no source":     func(e *Entry) { e.Source = nil },
		"no comparison": func(e *Entry) { e.Compared = "" },
		"too large":     func(e *Entry) { e.Warnings = []string{strings.Repeat("x", maxEntry)} },
	} {
		e := replaced(0)
		spoil(&e)
		if err := d.Append(e); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, _ := d.Head(); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestManyAppendAtOnce(t *testing.T) {
	d := newDesk(t, 0)
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			if err := d.Append(replaced(n % 20)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if a := d.audit(); a.Lines != 21 || len(a.Faults) > 0 {
		t.Errorf("%d lines, %v", a.Lines, a.Faults)
	}
	if _, err := Open(d.dir, "another", discard); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opened twice: %v", err)
	}
}

// TestAWriteThatFailsLeavesNothing: the disk becomes full in the middle of a line.
func TestAWriteThatFailsLeavesNothing(t *testing.T) {
	d := newDesk(t, 2)
	text := d.text()
	err := d.appendWithRoomFor(100, replaced(3))
	if err == nil || errors.Is(err, ErrEntry) || d.text() != text {
		t.Errorf("%v; %d bytes instead of %d", err, len(d.text()), len(text))
	}
	d.append(replaced(3))
	if a := d.audit(); a.Lines != 4 || len(a.Faults) > 0 {
		t.Errorf("%d lines, %v", a.Lines, a.Faults)
	}
}

// appendWithRoomFor appends while the file can grow only by the given number of
// bytes; a write beyond that is short.
func (d *desk) appendWithRoomFor(bytes int, e Entry) error {
	d.t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		d.t.Fatal(err)
	}
	limit := was
	limit.Cur = uint64(len(d.text()) + bytes)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		d.t.Fatal(err)
	}
	err := d.Append(e)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		d.t.Fatal(err)
	}
	return err
}

// TestNothingIsSignedAfterADamagedPartWithoutASection, also if the first attempt to
// write the section's first line fails.
func TestNothingIsSignedAfterADamagedPartWithoutASection(t *testing.T) {
	d := newDesk(t, 3)
	d.write(strings.Replace(d.text(), "drawn", "drown!", 1))
	if err := d.appendWithRoomFor(100, replaced(10)); err == nil {
		t.Fatal("written all the same")
	}
	d.append(replaced(10))
	if diff := cmp.Diff([]Kind{KindOpened, KindReplaced, KindReplaced, KindOpened, KindReplaced}, kinds(entries(t, d.audit()))); diff != "" {
		t.Error(diff)
	}
}

func TestAFolderThatCannotBeWrittenIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ledger"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "a", discard); err == nil {
		t.Error("opened")
	}
}
