package ledger

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
)

// Replaced calls visit for the ledger's entries about replacements, in their order.
// It is for statistics: it checks no signatures and skips lines that it cannot
// parse. A ledger that does not exist has no entries.
func Replaced(file string, visit func(Entry)) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	kind := []byte(`"kind":"` + string(KindReplaced) + `"`)
	return eachLine(f, func(line []byte, _ int64, _ bool) bool {
		if !bytes.Contains(line, kind) {
			return true
		}
		if e, err := decode(line); err == nil && e.Kind == KindReplaced {
			visit(e)
		}
		return true
	})
}
