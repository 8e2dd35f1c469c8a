package seal

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestASealHoldsForItsKeyPurposeAndFieldsOnly(t *testing.T) {
	k := FromSecret("one")
	seal := k.Seal("mark", []byte("ab"), []byte("c"))
	if len(seal) != Size || !k.Holds(seal, "mark", []byte("ab"), []byte("c")) {
		t.Fatalf("%x does not hold", seal)
	}
	damaged := bytes.Clone(seal)
	damaged[3] ^= 1
	for name, holds := range map[string]bool{
		"another key":          FromSecret("two").Holds(seal, "mark", []byte("ab"), []byte("c")),
		"no key":               Key{}.Holds(nil, "mark", []byte("ab"), []byte("c")),
		"no seal":              k.Holds(nil, "mark", []byte("ab"), []byte("c")),
		"another purpose":      k.Holds(seal, "record", []byte("ab"), []byte("c")),
		"other fields":         k.Holds(seal, "mark", []byte("ab"), []byte("d")),
		"fields cut elsewhere": k.Holds(seal, "mark", []byte("a"), []byte("bc")),
		"fewer fields":         k.Holds(seal, "mark", []byte("abc")),
		"a damaged seal":       k.Holds(damaged, "mark", []byte("ab"), []byte("c")),
	} {
		if holds {
			t.Errorf("%s: it holds", name)
		}
	}
}

func TestAKeyIsMadeOnceAndKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seal.key")
	seals := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range seals {
		wg.Go(func() {
			k, err := Open(file)
			if err != nil {
				t.Error(err)
			}
			seals[i] = k.Seal("mark", []byte("x"))
		})
	}
	wg.Wait()
	for _, s := range seals {
		if len(s) != Size || !bytes.Equal(s, seals[0]) {
			t.Errorf("%x and %x", s, seals[0])
		}
	}
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".key-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.WriteFile(file, []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil {
		t.Error("a damaged key is taken")
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "abc\n" {
		t.Errorf("a damaged key was changed: %q, %v", data, err)
	}
}
