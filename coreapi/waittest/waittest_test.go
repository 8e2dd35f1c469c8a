package waittest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatienceIsStretchedByTheEnvironment(t *testing.T) {
	for text, want := range map[string]time.Duration{"": Usual, "1": Usual, "2.5": Usual * 5 / 2} {
		t.Setenv("TEST_PATIENCE", text)
		if got := Patience(); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	for _, text := range []string{"0", "-1", "long"} {
		t.Setenv("TEST_PATIENCE", text)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is accepted", text)
				}
			}()
			Patience()
		}()
	}
}

// recorder is a test that records its failure.
type recorder struct {
	testing.TB
	failure string
}

type failed struct{}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.failure = fmt.Sprint(args...)
	panic(failed{})
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// run returns how a function failed, and how long it took.
func run(wait func(t testing.TB)) (failure string, took time.Duration) {
	var r recorder
	began := time.Now()
	defer func() {
		if p := recover(); p != nil && p != (failed{}) {
			panic(p)
		}
		failure, took = r.failure, time.Since(began)
	}()
	wait(&r)
	return
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		after := func(d time.Duration) func() bool {
			began = time.Now()
			return func() bool { return time.Since(began) >= d }
		}
		for _, tc := range []struct {
			name        string
			wait        func(t testing.TB)
			failure     string
			least, most time.Duration
		}{
			{"at once", func(t testing.TB) { Within(t, time.Second, "it", after(0)) }, "", 0, 0},
			{"soon", func(t testing.TB) { Within(t, time.Second, "it", after(20*time.Millisecond)) }, "", 20 * time.Millisecond, 25 * time.Millisecond},
			{"late", func(t testing.TB) { Within(t, time.Minute, "it", after(50*time.Second)) }, "", 50 * time.Second, 51 * time.Second},
			{"never", func(t testing.TB) {
				Within(t, time.Second, "it", func() bool { return false }, func() any { return "because" })
			}, "not within 1s: it\nbecause", time.Second, 1200 * time.Millisecond},
			{"throughout", func(t testing.TB) { During(t, time.Second, "it", func() bool { return true }) }, "", time.Second, time.Second},
			{"ends", func(t testing.TB) {
				late := after(300 * time.Millisecond)
				During(t, time.Second, "it", func() bool { return !late() }, func() any { return "because" })
			}, ": it\nbecause", 300 * time.Millisecond, 350 * time.Millisecond},
		} {
			failure, took := run(tc.wait)
			if (failure == "") != (tc.failure == "") || !strings.HasSuffix(failure, tc.failure) || took < tc.least || took > tc.most {
				t.Errorf("%s: %q after %s", tc.name, failure, took)
			}
		}
	})
}
