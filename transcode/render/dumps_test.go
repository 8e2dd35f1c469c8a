package render

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// TestWhatIsWrongWithARecordingIsNamed. If it is truncated, Cut says so, and an
// agent does not treat it as complete.
func TestWhatIsWrongWithARecordingIsNamed(t *testing.T) {
	var s script
	s.size(64, 64)
	for i := range 40 {
		s.grey(i*5, i, i, 20, 20)
		s.sync(int64(i * 100))
	}
	text := []byte(s.b.String())
	good := compressed(t, text)
	wrong := bytes.Clone(good)
	wrong[len(wrong)-8] ^= 1
	for name, tc := range map[string]struct {
		data   []byte
		warns  string // "" = nothing
		cut    bool
		strict error // the error for an agent
	}{
		"good":          {good, "", false, nil},
		"zeros after":   {append(bytes.Clone(good), make([]byte, 600)...), "", false, nil},
		"text after":    {append(bytes.Clone(good), "text"...), "other bytes follow the compressed data; they are left out", true, nil},
		"wrong sum":     {wrong, "the checksum of the compressed data is wrong; converted what is there", true, ErrCut},
		"cut":           {good[:len(good)*2/3], "the compressed data ends too early; converted what is there", true, ErrCut},
		"zeros in it":   {append(bytes.Clone(text), make([]byte, 4096)...), "found zero bytes, as after a power failure; converted what comes before", true, nil},
		"an older one":  {append(bytes.Clone(text), "UFB,3.end;4.sync,4.1000;"...), "not a Guacamole instruction at byte", true, nil},
		"half a sync":   {text[:len(text)-3], "ends in the middle of an instruction; converted what is there", false, nil},
		"no opcode's":   {append([]byte("0.,1.x;"), text...), "", false, nil},
		"twice":         {compressed(t, good), "", false, nil},
		"twice, cut in": {compressed(t, good[:len(good)*2/3]), "the compressed data ends too early; converted what is there", true, ErrCut},
	} {
		path := filepath.Join(t.TempDir(), "x.replay.gz")
		if err := os.WriteFile(path, tc.data, 0o600); err != nil {
			t.Fatal(err)
		}
		rec, err := recording.Open(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		plan, err := Scan(t.Context(), rec, ScanOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(plan.Warnings, "\n"); !strings.Contains(got, tc.warns) || (got == "") != (tc.warns == "") || (len(plan.Cut) > 0) != tc.cut || tc.cut != (len(plan.Missing) > 0) {
			t.Errorf("%s: %q, cut %v, missing %v", name, got, plan.Cut, plan.Missing)
		}
		if _, err := Scan(t.Context(), rec, ScanOptions{Strict: true}); !errors.Is(err, tc.strict) {
			t.Errorf("%s: the agent has %v, want %v", name, err, tc.strict)
		}
	}
}

func compressed(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
