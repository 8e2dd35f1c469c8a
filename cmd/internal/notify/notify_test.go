package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// desk is a notifier with a simulated agent and target.
type desk struct {
	*Notifier

	mu     sync.Mutex
	sent   []Message
	at     []time.Time
	refuse error
	bad    health.Conditions
	counts map[string]int // attempts by service and result
	stop   func()
}

// newDesk returns a desk with one target; it runs until stop is called.
func newDesk(t *testing.T, file string) *desk {
	t.Helper()
	d := &desk{counts: map[string]int{}}
	target := &Target{service: "chat", id: "1", busy: make(chan struct{}, 1), deliver: func(_ context.Context, m Message) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.refuse != nil {
			return d.refuse
		}
		d.sent, d.at = append(d.sent, m), append(d.at, time.Now())
		return nil
	}}
	d.Notifier = &Notifier{
		Targets: []*Target{target}, Lang: i18n.English, File: file, Log: slog.New(slog.DiscardHandler), Link: "https://video.example.org/video-worker/",
		Name: func() string { return "worker-1" },
		Count: func(service string, sent bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.counts[fmt.Sprint(service, " ", sent)]++
		},
		Conditions: func() health.Conditions {
			d.mu.Lock()
			defer d.mu.Unlock()
			all := health.Conditions{{Part: health.Core, OK: true}, {Part: health.Volume, OK: true}, {Part: health.Tasks, OK: true}}
			for i, c := range all {
				if b := d.bad.Of(c.Part); b.Level() != health.Well {
					all[i] = b
				}
			}
			return all
		},
	}
	d.begin(t)
	return d
}

func (d *desk) begin(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	d.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func (d *desk) is(conditions ...health.Condition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bad = conditions
}

func (d *desk) takes(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = err
}

// after waits, and returns the messages sent so far.
func (d *desk) after(wait time.Duration) []Message {
	time.Sleep(wait)
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sent
}

var (
	away  = health.Condition{Part: health.Volume, Reason: "it is not mounted", Say: i18n.T("health.volume")}
	alone = health.Condition{Part: health.Core, Reason: "not registered with core", Detail: "core does not accept BOOTSTRAP_TOKEN", Say: i18n.T("health.core")}
)

// fails returns a task that failed.
func fails(n int, class task.Class) task.View {
	return task.View{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", n), State: queue.StateFailed, Reason: class}
}

func TestABurstOfFailuresIsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, filepath.Join(t.TempDir(), "notified.json"))
		defer d.stop()
		d.Ended(task.View{State: queue.StateDone})
		d.Ended(task.View{State: queue.StateSkipped, Reason: task.ClassTooSmall})
		d.Ended(fails(0, "nothing_drawn")) // harmless
		if sent := d.after(time.Hour); len(sent) > 0 {
			t.Fatalf("%+v", sent)
		}
		for i := range 500 {
			class := task.Class("encoder")
			if i%10 == 0 {
				class = "undecodable"
			}
			d.Ended(fails(i, class))
			time.Sleep(100 * time.Millisecond)
		}
		sent := d.after(3 * time.Minute)
		if len(sent) != 1 {
			t.Fatalf("%d messages", len(sent))
		}
		m := sent[0]
		if m.Failed != 500 || !reflect.DeepEqual(m.Reasons, map[task.Class]int{"encoder": 450, "undecodable": 50}) || len(m.Sessions) != 5 || m.Event != "trouble" {
			t.Errorf("%+v", m)
		}
		want := `500 recordings failed; all originals are still in place:
  450 × The encoder failed (encoder)
  50 × The recording cannot be read (undecodable)
The first sessions: 00000000-0000-4000-8000-000000000000, 00000001-0000-4000-8000-000000000000, 00000002-0000-4000-8000-000000000000, ` +
			`00000003-0000-4000-8000-000000000000, 00000004-0000-4000-8000-000000000000
https://video.example.org/video-worker/`
		if m.Body != want || m.Title != "jumpserver-video worker-1: 500 recordings failed" {
			t.Errorf("%s\n%s", m.Title, m.Body)
		}
		// One more failure is in the next message, which is not sent at once.
		d.Ended(fails(500, "encoder"))
		if sent := d.after(Every - 4*time.Minute); len(sent) != 1 {
			t.Fatalf("%d messages", len(sent))
		}
		if sent := d.after(5 * time.Minute); len(sent) != 2 || sent[1].Failed != 1 || d.at[1].Sub(d.at[0]) < Every {
			t.Fatalf("%+v", sent)
		}
	})
}

func TestTroublesAndTheirEndAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, filepath.Join(t.TempDir(), "notified.json"))
		defer d.stop()
		d.is(away) // shorter than Settle
		d.after(Settle / 2)
		d.is()
		if sent := d.after(time.Hour); len(sent) > 0 {
			t.Fatalf("%+v", sent)
		}
		d.is(away)
		sent := d.after(Settle + time.Minute)
		if len(sent) != 1 || !reflect.DeepEqual(sent[0].Troubles, []health.Part{health.Volume}) || !strings.Contains(sent[0].Title, "Replay volume unavailable") ||
			!strings.Contains(sent[0].Body, ": it is not mounted\n") {
			t.Fatalf("%+v", sent)
		}
		d.is(away, alone)
		if sent = d.after(time.Hour); len(sent) != 2 || !reflect.DeepEqual(sent[1].Troubles, []health.Part{health.Core}) ||
			!strings.Contains(sent[1].Body, "Not registered with core, since ") || !strings.Contains(sent[1].Body, "core does not accept BOOTSTRAP_TOKEN") {
			t.Fatalf("%+v", sent)
		}
		d.is(alone)
		if sent = d.after(time.Hour); len(sent) != 3 || sent[2].Event != "trouble" || !strings.Contains(sent[2].Title, "some problems are resolved") ||
			!strings.HasPrefix(sent[2].Body, "Resolved: Replay volume unavailable\n") {
			t.Fatalf("%+v", sent)
		}
		d.is()
		if sent = d.after(time.Hour); len(sent) != 4 || sent[3].Event != "over" || !strings.Contains(sent[3].Title, "back to normal") {
			t.Fatalf("%+v", sent)
		}
		// The problem of a part may change.
		erring := health.Condition{Part: health.Core, OK: true, Detail: "502", Say: i18n.T("health.core_errors")}
		for _, c := range []health.Condition{erring, alone} {
			d.is(c)
			sent = d.after(time.Hour)
		}
		if d.is(); len(sent) != 6 || !strings.Contains(sent[4].Body, "Core responds with errors, since ") || !strings.Contains(sent[5].Title, "Not registered with core") {
			t.Fatalf("%+v", sent)
		}
		// A part that fails and recovers all day does not cause a message each time.
		for range 60 {
			d.is(away)
			d.after(3 * time.Minute)
			d.is()
			d.after(3 * time.Minute)
		}
		if sent = d.after(0); len(sent) > 6+6*6+1 {
			t.Errorf("%d messages in six hours", len(sent)-6)
		}
		for i := range d.at[1:] {
			if d.at[i+1].Sub(d.at[i]) < Every {
				t.Errorf("message %d after %s", i+1, d.at[i+1].Sub(d.at[i]))
			}
		}
	})
}

func TestWhatIsNotTakenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "notified.json")
		d := newDesk(t, file)
		if err := d.Trouble(); err != nil {
			t.Error(err)
		}
		d.takes(errors.New("token is not exist"))
		d.is(away)
		d.Ended(fails(1, "encoder"))
		d.after(time.Hour)
		if err := d.Trouble(); err == nil || err.Error() != "chat: token is not exist" {
			t.Errorf("%v", err)
		}
		d.stop()
		if want := map[string]int{"chat false": 6}; !maps.Equal(d.counts, want) {
			t.Errorf("attempts: %v, want %v", d.counts, want)
		}
		// Also after a restart, together with new failures.
		d2 := newDesk(t, file)
		d2.is(away)
		d2.Ended(fails(2, "encoder"))
		sent := d2.after(Every + Settle)
		if len(sent) != 2 || sent[0].Failed != 2 || len(sent[1].Troubles) != 1 || d2.Trouble() != nil {
			t.Fatalf("%+v", sent)
		}
		d2.stop()
		if want := map[string]int{"chat true": 2}; !maps.Equal(d2.counts, want) {
			t.Errorf("attempts: %v, want %v", d2.counts, want)
		}
		// What was sent before the restart is not sent again; its end is.
		d3 := newDesk(t, file)
		d3.is(away)
		if sent := d3.after(time.Hour); len(sent) != 0 {
			t.Errorf("%+v", sent)
		}
		d3.is()
		if sent := d3.after(time.Hour); len(sent) != 1 || sent[0].Event != "over" {
			t.Errorf("%+v", sent)
		}
		d3.stop()
	})
}

// TestATargetThatHangsHoldsNobodyUp: neither the other target nor the end of Run waits.
func TestATargetThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, filepath.Join(t.TempDir(), "notified.json"))
		d.stop()
		release := make(chan struct{})
		defer close(release)
		hangs := &Target{service: "mail", id: "2", busy: make(chan struct{}, 1), deliver: func(context.Context, Message) error {
			<-release
			return nil
		}}
		d.Targets, d.books = append([]*Target{hangs}, d.Targets...), nil
		d.begin(t)
		d.is(away)
		if sent := d.after(time.Hour); len(sent) != 1 {
			t.Errorf("%+v", sent)
		}
		if err := d.Trouble(); err == nil || !strings.HasPrefix(err.Error(), "mail: ") {
			t.Errorf("%v", err)
		}
		d.stop()
	})
}

func TestBooksThatCannotBeReadAreBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "notified.json")
		if err := os.WriteFile(file, []byte(`{"1":`), 0o600); err != nil {
			t.Fatal(err)
		}
		d := newDesk(t, file)
		d.is(away)
		if sent := d.after(time.Hour); len(sent) != 1 {
			t.Errorf("%+v", sent)
		}
		d.stop()
		var kept map[string]any
		if data, err := os.ReadFile(file); err != nil || json.Unmarshal(data, &kept) != nil {
			t.Errorf("%v: %s", err, data)
		}
	})
}

// TestLongMessagesAreCut: long messages are cut to the size that all services accept, and
// between two letters.
func TestLongMessagesAreCut(t *testing.T) {
	for _, lang := range i18n.Langs {
		n := news{failures: failures{Count: 3, Reasons: map[task.Class]int{}}, troubles: map[health.Part]trouble{}}
		for _, r := range task.Reasons {
			n.failures.Reasons[r.Class] = 1
		}
		for _, part := range health.Parts {
			n.troubles[part] = trouble{Say: i18n.Of("health", part), Reason: strings.Repeat("原因", 500), Since: time.Now()}
		}
		m := writer{lang, "https://video.example.org/", "worker-1"}.write(n)
		if len(m.text()) > 2000 || strings.ContainsRune(m.text(), '�') || !strings.HasSuffix(m.Body, m.Link) {
			t.Errorf("%s: %d bytes: %s", lang, len(m.text()), m.text())
		}
	}
}
