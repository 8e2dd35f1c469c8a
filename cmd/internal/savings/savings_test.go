package savings

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, path string) *Account {
	t.Helper()
	a, err := Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTheAccountOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "savings.json")
	day := time.Date(2026, 11, 22, 23, 59, 0, 0, time.UTC)
	a := open(t, path)
	if _, since := a.Total(); since != "" {
		t.Errorf("an empty account begins on %s", since)
	}
	a.Add(day, 1000, 100, 2*time.Second)
	a.Add(day.Add(2*time.Minute), 500, 600, time.Second) // the next day, and larger
	a.Add(day, 10, 1, time.Second)

	a = open(t, path)
	sum, since := a.Total()
	if want := (Sum{3, 1510, 701, 4000}); sum != want || since != "2026-11-22" {
		t.Errorf("total %+v since %s, want %+v", sum, since, want)
	}
	want := []Day{{"2026-11-21", Sum{}}, {"2026-11-22", Sum{2, 1010, 101, 3000}}, {"2026-11-23", Sum{1, 500, 600, 1000}}}
	if diff := cmp.Diff(want, a.Last(3, day.Add(time.Hour))); diff != "" {
		t.Error(diff)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".savings*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestADamagedAccountIsMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "savings.json")
	if err := os.WriteFile(path, []byte(`[{"date":"2026-`), 0o600); err != nil {
		t.Fatal(err)
	}
	a := open(t, path)
	a.Add(time.Now(), 10, 1, 0)
	if sum, _ := open(t, path).Total(); sum.Recordings != 1 {
		t.Errorf("%+v", sum)
	}
	if data, err := os.ReadFile(path + ".broken"); err != nil || string(data) != `[{"date":"2026-` {
		t.Errorf("%q, %v", data, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "savings.json")
	a := open(t, path)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { a.Add(time.Now(), 10, 1, 0); a.Last(3, time.Now()) })
	}
	wg.Wait()
	if sum, _ := open(t, path).Total(); sum.Recordings != 20 || sum.Before != 200 {
		t.Errorf("%+v", sum)
	}
}

// TestAFolderThatIsGone: if the sums cannot be written, the next write contains them.
func TestAFolderThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	a := open(t, filepath.Join(dir, "savings.json"))
	a.Add(time.Now(), 10, 1, 0)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a.Add(time.Now(), 10, 1, 0)
	if sum, _ := open(t, a.path).Total(); sum.Recordings != 2 {
		t.Errorf("%+v", sum)
	}
}
