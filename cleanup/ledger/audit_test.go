package ledger

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rechain corrects the hashes of the previous lines from the n-th line on (from 0),
// as an attacker without the key would.
func rechain(lines []string, n int) []string {
	for ; n < len(lines); n++ {
		line := strings.TrimSuffix(lines[n], "\n")
		prev := hashOf([]byte(strings.TrimSuffix(lines[n-1], "\n")))
		at := len(line) - sigTail - prevTail + len(prevHead)
		lines[n] = line[:at] + prev + line[at+prevSize:] + "\n"
	}
	return lines
}

// TestAnAttackerIsFound: the attacker can write the ledger but does not have its
// key.
func TestAnAttackerIsFound(t *testing.T) {
	d, other := newDesk(t, 9), newDesk(t, 9)
	keys := d.trusted()
	whole, foreign := d.lines(), other.lines()
	edit := func(line string) string { return strings.Replace(line, `"frames":12`, `"frames":13`, 1) }
	const changed, missing = "it was changed", "the entry that it follows is missing"
	for name, tc := range map[string]struct {
		attack func(l []string) []string
		want   []Fault // the What of each must begin with this
		proven int     // number of proven entries
	}{
		"nothing":                    {func(l []string) []string { return l }, nil, 10},
		"edit a line":                {func(l []string) []string { l[4] = edit(l[4]); return l }, []Fault{{5, changed}}, 9},
		"edit the first line":        {func(l []string) []string { l[0] = strings.Replace(l[0], "worker-1", "worker-2", 1); return l }, []Fault{{1, changed}}, 9},
		"edit the last line":         {func(l []string) []string { l[9] = edit(l[9]); return l }, []Fault{{10, changed}}, 9},
		"edit, and correct the rest": {func(l []string) []string { l[4] = edit(l[4]); return rechain(l, 5) }, []Fault{{5, changed}}, 4},
		"edit a signature":           {func(l []string) []string { l[4] = l[4][:len(l[4])-20] + "AAAA" + l[4][len(l[4])-16:]; return l }, []Fault{{5, changed}}, 9},
		"remove a line":              {func(l []string) []string { return append(l[:4], l[5:]...) }, []Fault{{5, missing}}, 9},
		"remove, and correct the rest": {func(l []string) []string { return rechain(append(l[:4], l[5:]...), 4) },
			[]Fault{{5, changed}}, 4},
		"remove the beginning":     {func(l []string) []string { return l[3:] }, []Fault{{1, missing}}, 7},
		"swap two lines":           {func(l []string) []string { l[4], l[5] = l[5], l[4]; return l }, []Fault{{5, missing}, {6, missing}, {7, missing}}, 10},
		"repeat a line":            {func(l []string) []string { return append(l[:5:5], l[3:]...) }, []Fault{{6, missing}}, 12},
		"a line that was invented": {func(l []string) []string { l[4] = "{\"seq\":5}\n"; return l }, []Fault{{5, "it is not an entry"}}, 9},
		"a line of another ledger": {func(l []string) []string { l[4] = foreign[4]; return l },
			[]Fault{{5, missing}, {5, changed}}, 9},
		"the end of another ledger": {func(l []string) []string { return append(l[:5:5], foreign[5:]...) },
			[]Fault{{6, missing}, {6, changed}}, 5},
		"the end of another, corrected": {func(l []string) []string { return rechain(append(l[:5:5], foreign[5:]...), 5) }, []Fault{{6, changed}}, 5},
		"another ledger behind it":      {func(l []string) []string { return append(l, foreign...) }, []Fault{{11, "the signature does not match the key"}}, 10},
		"another ledger":                {func([]string) []string { return foreign }, []Fault{{1, "the signature does not match the key"}}, 0},
		"a section of another's": {func(l []string) []string { return rechain(append(l, foreign...), 10) },
			[]Fault{{11, changed}}, 10},
		"half a line":    {func(l []string) []string { l[9] = l[9][:200]; return l }, []Fault{{10, "it is incomplete"}}, 9},
		"nothing at all": {func([]string) []string { return nil }, []Fault{{1, "there is no entry"}}, 0},
		"a newline":      {func([]string) []string { return []string{"\n"} }, []Fault{{1, "it is not an entry"}}, 0},
		// The ledger is shorter, and all that is left is valid: see docs/verify.md.
		"cut the end": {func(l []string) []string { return l[:6] }, nil, 6},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Join(tc.attack(append([]string{}, whole...)), "")
			a := auditText(t, text, keys)
			var got []Fault
			for i, f := range a.Faults {
				if i < len(tc.want) && strings.HasPrefix(f.What, tc.want[i].What) {
					f.What = tc.want[i].What
				}
				got = append(got, f)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			all := entries(t, a)
			if len(all) != tc.proven {
				t.Errorf("%d entries are proven, want %d", len(all), tc.proven)
			}
			for _, e := range all {
				if e.MP4 != nil && e.MP4.Frames != 12 || e.Agent != "worker-1:9000" {
					t.Errorf("a forged entry counts: %+v", e)
				}
			}
		})
	}
	if a := auditText(t, d.text()+other.text(), append(keys, other.trusted()...)); len(a.Faults) > 0 || len(entries(t, a)) != 20 {
		t.Errorf("two ledgers and both keys: %v", a.Faults)
	}
	if a := auditText(t, d.text(), nil); len(a.Faults) == 0 || len(entries(t, a)) > 0 {
		t.Errorf("no key: %v", a.Faults)
	}
}

// TestEveryByteCounts: if any byte is changed, Audit finds it, and no changed entry
// counts as proven.
func TestEveryByteCounts(t *testing.T) {
	d := newDesk(t, 1)
	text, keys := d.text(), d.trusted()
	was := entries(t, d.audit())
	for at := range len(text) {
		b := []byte(text)
		b[at] ^= 1
		a := auditText(t, string(b), keys)
		if len(a.Faults) == 0 {
			t.Fatalf("byte %d, %q: not found", at, text[max(0, at-10):at+1])
		}
		for _, e := range entries(t, a) {
			if !cmp.Equal(e, was[e.Seq-1]) {
				t.Fatalf("byte %d: %+v", at, e)
			}
		}
	}
}

// TestALineIsCheckedWithOtherTools uses the commands of docs/verify.md.
func TestALineIsCheckedWithOtherTools(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl")
	}
	doc, err := os.ReadFile("../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(doc), "```sh\n")
	script, _, _ = strings.Cut(script, "```")
	if !strings.Contains(script, "openssl pkeyutl -verify") {
		t.Fatalf("not what is wanted: %s", script)
	}
	d := newDesk(t, 3)
	check := func() ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		cmd.Dir = filepath.Join(d.dir, "ledger")
		return cmd.CombinedOutput()
	}
	out, err := check()
	if err != nil || !bytes.Contains(out, []byte(d.trusted()[0].Fingerprint())) {
		t.Errorf("%v: %s", err, out)
	}
	d.write(strings.Replace(d.text(), session(1), session(7), 1))
	if out, err := check(); err == nil {
		t.Errorf("a changed line passes: %s", out)
	}
}

func TestKeysAreReadAsTheyAreWritten(t *testing.T) {
	d := newDesk(t, 0)
	key := d.trusted()[0]
	keys, err := ParseKeys("# of the two\n\n" + key.String() + "\n" + Key{public: key.public}.String() + "\n")
	if err != nil || len(keys) != 2 || keys[0].Agent != "worker-1:9000" || keys[1].Fingerprint() != key.Fingerprint() {
		t.Errorf("%v, %v", keys, err)
	}
	const rsa = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALKZD0nEffqM1ACuak0bijtqE2QrI/KLADv7l3kK3ppMyCuLKoF0fd7Ai2KW5ToIwzFofvJcS/STa6HA5gQenRUCAwEAAQ=="
	for _, bad := range []string{"", "# none", "ssh-ed25519 AAAA", keyWord, keyWord + " !", keyWord + " AAAA", keyWord + " " + rsa} {
		if keys, err := ParseKeys(bad); err == nil {
			t.Errorf("%q: %v", bad, keys)
		}
	}
}

func FuzzAudit(f *testing.F) {
	dir := f.TempDir()
	private, err := privateKey(filepath.Join(dir, "key"))
	if err != nil {
		f.Fatal(err)
	}
	key := Key{"a", private.Public().(ed25519.PublicKey)}
	one, err := newLine(Entry{Kind: KindOpened, Prev: noPrev}, private)
	if err != nil {
		f.Fatal(err)
	}
	two, err := newLine(Entry{Kind: KindReplaced, Prev: hashOf(one)}, private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fmt.Appendf(nil, "%s\n%s\n", one, two))
	f.Add(fmt.Appendf(nil, "%s\n%s", two, one))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := Audit(bytes.NewReader(text), []Key{key})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := a.Each(1, nil, func(l Line) error {
			n++
			if l.Hash != hashOf(one) && l.Hash != hashOf(two) {
				t.Errorf("proven: %+v", l)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n < a.Lines && len(a.Faults) == 0 {
			t.Errorf("%d of %d entries, and no fault", n, a.Lines)
		}
	})
}

// bigLedger writes a ledger with many entries and returns its DATA_DIR.
func bigLedger(tb testing.TB, entries int) string {
	dir := tb.TempDir()
	for _, sub := range []string{"keys", "ledger"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			tb.Fatal(err)
		}
	}
	key, err := privateKey(filepath.Join(dir, keyName))
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	prev := noPrev
	for n := range entries {
		e := replaced(n)
		if n == 0 {
			e = Entry{Kind: KindOpened}
		}
		e.Seq, e.Agent, e.Prev = int64(n+1), "worker-1:9000", prev
		line, err := newLine(e, key)
		if err != nil {
			tb.Fatal(err)
		}
		prev = hashOf(line)
		b.Write(append(line, '\n'))
	}
	if err := os.WriteFile(Path(dir), b.Bytes(), 0o640); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkAudit checks 100,000 entries and reads them all.
func BenchmarkAudit(b *testing.B) {
	const many = 100_000
	dir := bigLedger(b, many)
	private, err := privateKey(filepath.Join(dir, keyName))
	if err != nil {
		b.Fatal(err)
	}
	keys := []Key{{"a", private.Public().(ed25519.PublicKey)}}
	f, err := os.Open(Path(dir))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, read := range []bool{false, true} {
		b.Run(map[bool]string{false: "check", true: "check and read"}[read], func(b *testing.B) {
			for b.Loop() {
				a, err := Audit(f, keys)
				if err != nil || len(a.Faults) > 0 {
					b.Fatal(a, err)
				}
				n := 0
				if read {
					if err := a.Each(1, nil, func(Line) error { n++; return nil }); err != nil || n != many {
						b.Fatal(n, err)
					}
				}
			}
		})
	}
}

// BenchmarkOpen opens a ledger of a million entries and reports how much memory it
// uses.
func BenchmarkOpen(b *testing.B) {
	dir := bigLedger(b, 1_000_000)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l, err := Open(dir, "a", discard)
		if err != nil || l.Trouble() != nil {
			b.Fatal(err, l.Trouble())
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6, "MB-allocated")
		l.Close()
	}
}
