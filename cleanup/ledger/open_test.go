package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestALineThatACrashHasLeftIsMovedAway, whatever its length.
func TestALineThatACrashHasLeftIsMovedAway(t *testing.T) {
	whole := newDesk(t, 3)
	text := whole.text()
	lines := whole.lines()
	last := lines[3]
	before := strings.TrimSuffix(text, last)
	tails := map[string]string{
		"zeros": strings.Repeat("\x00", 700), "zeros and a newline": strings.Repeat("\x00", 700) + "\n",
		"a bit has changed": strings.Replace(last, "drawn", "drown", 1),
	}
	for n := 1; n < len(last); n += 37 {
		tails[fmt.Sprintf("%d bytes", n)] = last[:n]
	}
	for name, tail := range tails {
		t.Run(name, func(t *testing.T) {
			d := &desk{t: t, dir: whole.dir}
			whole.Close()
			d.write(before + tail)
			d.open()
			defer d.Close()
			d.append(replaced(2))
			if diff := cmp.Diff([]Kind{KindOpened, KindReplaced, KindReplaced, KindRecovered, KindReplaced}, kinds(entries(t, d.audit()))); diff != "" {
				t.Error(diff)
			}
			if d.Trouble() != nil || len(d.audit().Faults) > 0 {
				t.Errorf("%v, %v", d.Trouble(), d.audit().Faults)
			}
			kept, err := filepath.Glob(filepath.Join(d.dir, "ledger", "torn-*"))
			if err != nil || len(kept) != 1 {
				t.Fatalf("%v, %v", kept, err)
			}
			data, err := os.ReadFile(kept[0])
			detail := entries(t, d.audit())[3].Detail
			if err != nil || string(data) != tail || !strings.Contains(detail, filepath.Base(kept[0])) || !strings.Contains(detail, hashOf(data)) {
				t.Errorf("%q, %v, %s", data, err, detail)
			}
			os.Remove(kept[0])
		})
	}
}

// TestALineThatWasMovedAwayIsToldOfAfterAnotherCrash: the second crash is between
// the move and its entry, or directly after the entry.
func TestALineThatWasMovedAwayIsToldOfAfterAnotherCrash(t *testing.T) {
	d := newDesk(t, 1)
	name := filepath.Join(d.dir, "ledger", "torn-20240423T100000.000Z")
	for range 2 {
		if err := os.WriteFile(name+pending, []byte(`{"seq":`), 0o640); err != nil {
			t.Fatal(err)
		}
		d.reopen()
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]Kind{KindOpened, KindReplaced, KindRecovered}, kinds(entries(t, d.audit()))); diff != "" {
		t.Error(diff)
	}
}

// TestADamagedLedgerIsToldAndStopsNothing: the damaged part stays as it is, and
// what follows it verifies.
func TestADamagedLedgerIsToldAndStopsNothing(t *testing.T) {
	for name, spoil := range map[string]func(lines []string) []string{
		"a line was changed": func(l []string) []string { l[2] = strings.Replace(l[2], "drawn", "drown", 1); return l },
		"a line is missing":  func(l []string) []string { return append(l[:2], l[3:]...) },
		"the last two are bad": func(l []string) []string {
			l[4], l[5] = strings.Replace(l[4], "drawn", "drown", 1), "nothing\n"
			return l
		},
		"rubbish in between": func(l []string) []string { l[3] = "\n\n\n" + l[3]; return l },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 5)
			lines := d.lines()
			d.Close()
			text := strings.Join(spoil(lines), "")
			d.write(text)
			d.open()
			if err := d.Trouble(); err == nil || !strings.Contains(d.log.String(), "level=ERROR") {
				t.Errorf("not told: %v", err)
			}
			d.append(replaced(10))
			if !strings.HasPrefix(d.text(), text) {
				t.Error("what was there has changed")
			}
			a := d.audit()
			all := entries(t, a)
			if last := all[len(all)-1]; last.Session != session(10) || len(a.Faults) == 0 {
				t.Errorf("%+v, %v", last, a.Faults)
			}
			faults := len(a.Faults)
			d.reopen() // the trouble remains until someone has checked the ledger
			if d.Trouble() == nil {
				t.Error("forgotten after a restart")
			}
			d.append(replaced(11))
			if a := d.audit(); len(a.Faults) != faults {
				t.Errorf("%v", a.Faults)
			}
			if err := os.Rename(Path(d.dir), Path(d.dir)+".looked-at"); err != nil {
				t.Fatal(err)
			}
			d.append(replaced(12))
			if d.Trouble() != nil || len(d.audit().Faults) > 0 || d.audit().Lines != 2 {
				t.Errorf("%v, %v", d.Trouble(), d.audit().Faults)
			}
		})
	}
}

// TestALedgerThatMakesNoSenseIsMovedAway: it would have too many faults.
func TestALedgerThatMakesNoSenseIsMovedAway(t *testing.T) {
	d := newDesk(t, 1)
	d.Close()
	d.write(strings.Repeat("\n", 3*maxRuns))
	d.open()
	d.append(replaced(1))
	if a := d.audit(); a.Lines != 2 || len(a.Faults) > 0 || !strings.Contains(d.log.String(), "level=ERROR") {
		t.Errorf("%d lines, %v", a.Lines, a.Faults)
	}
	if kept, _ := filepath.Glob(filepath.Join(d.dir, "ledger", "ledger-unreadable-*")); len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
}

// TestSomethingElseWritesToTheLedger while the agent runs.
func TestSomethingElseWritesToTheLedger(t *testing.T) {
	for name, spoil := range map[string]func(*desk){
		"it is shorter": func(d *desk) { d.write(strings.Join(d.lines()[:2], "")) },
		"it is longer":  func(d *desk) { d.write(d.text() + d.lines()[1]) },
		"it is another one": func(d *desk) {
			text := strings.Join(d.lines()[:3], "")
			os.Remove(Path(d.dir))
			d.write(text)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 3)
			_, head := d.Head()
			spoil(d)
			d.append(replaced(10))
			all := entries(t, d.audit())
			opened := all[len(all)-2]
			if opened.Kind != KindOpened || !strings.Contains(opened.Detail, head) || d.Trouble() == nil {
				t.Errorf("%+v, %v", opened, d.Trouble())
			}
			if last := all[len(all)-1]; last.Session != session(10) {
				t.Errorf("%+v", last)
			}
		})
	}
}

func TestAnotherKeyBeginsASection(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, key string){
		"lost": func(t *testing.T, key string) {
			if err := os.Remove(key); err != nil {
				t.Fatal(err)
			}
		},
		"damaged": func(t *testing.T, key string) {
			if err := os.WriteFile(key, []byte("abc\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 2)
			old := d.trusted()
			d.Close()
			key := filepath.Join(d.dir, keyName)
			spoil(t, key)
			d.open()
			d.append(replaced(3))
			if d.Trouble() == nil {
				t.Error("not told")
			}
			if keys := d.trusted(); len(keys) != 2 || keys[0].Fingerprint() != old[0].Fingerprint() {
				t.Fatalf("%v", keys)
			}
			if a := d.audit(); len(a.Faults) > 0 || len(entries(t, a)) != 5 {
				t.Errorf("with both keys: %v", a.Faults)
			}
			a := auditText(t, d.text(), old)
			if len(a.Faults) != 1 || a.Faults[0].Line != 4 || !strings.Contains(a.Faults[0].What, "does not match the key") ||
				!strings.Contains(a.Faults[0].What, d.trusted()[1].Fingerprint()) || len(entries(t, a)) != 3 {
				t.Errorf("with the old key: %v", a.Faults)
			}
			d.reopen()
			if d.Trouble() != nil {
				t.Errorf("still told: %v", d.Trouble())
			}
		})
	}
}
