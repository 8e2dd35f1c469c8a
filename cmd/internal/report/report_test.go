package report

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

var (
	october  = time.Date(2026, 10, 1, 0, 0, 0, 0, time.Local)
	november = october.AddDate(0, 1, 0)
)

// site returns a maker of reports, for a core with sessions of three months and an
// agent that has results of some of them.
func site(t *testing.T, version string) (*Maker, *devcore.Server) {
	t.Helper()
	dir := t.TempDir()
	core, err := devcore.Start(devcore.Options{Version: version, MediaDir: dir, BootstrapToken: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = core.Close() })
	client, err := coreapi.New(coreapi.Options{BaseURL: core.URL, RetryMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	key, err := client.Register(t.Context(), "boot", "worker-1")
	if err != nil {
		t.Fatal(err)
	}
	client.SetKey(key)
	add := func(n int, start time.Time, change func(*devcore.Session)) {
		s := devcore.Session{ID: id(n), User: "李雷(lilei)", Asset: "财务服务器(10.3.4.9)", Account: "=1+1", Protocol: "rdp", TerminalType: "lion",
			Start: start, End: start.Add(time.Hour), Finished: true}
		if change != nil {
			change(&s)
		}
		core.AddSession(s)
	}
	add(1, october, nil)                                                                                  // done
	add(2, october.Add(time.Hour), nil)                                                                   // failed
	add(3, october.Add(2*time.Hour), nil)                                                                 // queued
	add(4, october.Add(3*time.Hour), nil)                                                                 // done, incomplete
	add(5, october.Add(4*time.Hour), nil)                                                                 // only in the ledger
	add(6, october.Add(5*time.Hour), func(s *devcore.Session) { s.HasReplay = true })                     // only on the volume
	add(7, october.Add(6*time.Hour), func(s *devcore.Session) { s.HasReplay = true })                     // core has a replay
	add(8, october.Add(7*time.Hour), nil)                                                                 // nothing was found
	add(9, october.Add(8*time.Hour), func(s *devcore.Session) { s.Finished, s.End = false, time.Time{} }) // has not ended
	add(10, october.Add(9*time.Hour), func(s *devcore.Session) { s.Protocol, s.TerminalType = "ssh", "koko" })
	add(11, october.Add(-time.Second), nil)
	add(12, november, nil)
	for n := range 450 { // more than two pages
		add(100+n, november.Add(-time.Duration(n+1)*time.Minute), func(s *devcore.Session) { s.Protocol, s.TerminalType = "ssh", "koko" })
	}
	replay := filepath.Join(dir, "replay")
	day := october.Add(5 * time.Hour).UTC().Format(time.DateOnly)
	if err := os.MkdirAll(filepath.Join(replay, day), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(replay, day, id(6)+".replay.mp4"), make([]byte, 600), 0o640); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(dir, "worker-1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.Repeat("ab", 32)
	if err := l.Append(ledger.Entry{Kind: ledger.KindReplaced, Session: id(5), Compared: ledger.ComparedDrawn, Original: ledger.FateTrash,
		MP4: &ledger.MP4{Path: "x", SHA256: sum, Size: 500}, Source: &ledger.Source{SHA256: sum, Path: "y", Size: 5000}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tasks := []*queue.Task{
		made(1, queue.StateDone, "", 1000, 100, nil),
		made(2, queue.StateFailed, task.ClassEncoder, 2000, 0, nil),
		made(3, queue.StateQueued, "", 3000, 0, nil),
		made(4, queue.StateDone, task.ClassNotAllShown, 4000, 400, []string{"sound"}),
		made(10, queue.StateSkipped, task.ClassKind, 9, 0, nil),
		made(11, queue.StateDone, "", 1, 1, nil),
	}
	return &Maker{
		Sessions: client.Sessions, View: task.ViewOf, Ledger: ledger.Path(dir), ReplayDir: replay,
		Tasks: func(context.Context) ([]*queue.Task, error) { return tasks, nil },
	}, core
}

func made(n int, state queue.State, reason task.Class, before, after int64, missing []string) *queue.Task {
	start := october.Add(time.Duration(n-1) * time.Hour)
	if n == 11 {
		start = october.Add(-time.Second)
	}
	j := task.Journal{Session: &task.Session{User: "李雷(lilei)", Start: start}}
	if after > 0 {
		j.Video = &task.VideoFacts{Size: after, Missing: missing}
	}
	return &queue.Task{ID: id(n), State: state, Reason: reason, Created: time.Now(),
		Source: task.Encode(task.Source{Path: "x", Size: before}), Data: task.Encode(j)}
}

// outcomes returns the result of each session.
func outcomes(r *Report) map[string]string {
	all := map[string]string{}
	for _, row := range r.Rows {
		what := string(row.Reason)
		if row.Video {
			what = fmt.Sprintf("video %d of %d", row.After, row.Before)
		}
		if row.Incomplete {
			what += ", incomplete"
		}
		all[row.ID] = what
	}
	return all
}

// TestEverySessionOfThePeriodIsInTheReport tests it with cores of several releases;
// sessions of other periods must not be in it.
func TestEverySessionOfThePeriodIsInTheReport(t *testing.T) {
	for _, version := range []string{"3.10.9", "4.10.8", "4.10.16"} {
		t.Run(version, func(t *testing.T) {
			m, _ := site(t, version)
			r, err := m.Make(t.Context(), october, november)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				id(1): "video 100 of 1000", id(2): "encoder", id(3): "waiting", id(4): "video 400 of 4000, incomplete",
				id(5): "video 500 of 5000", id(6): "video 600 of 0", id(7): "not_seen", id(8): "no_recording",
			}
			if d := cmp.Diff(want, outcomes(r)); d != "" {
				t.Error(d)
			}
			if r.Source != FromCore || r.Sessions != 8 || r.Video != 4 || r.Without != 4 || r.Incomplete != 1 || r.Active != 1 || r.Text != 451 || r.Before != 10_000 || r.After != 1000 {
				r.Rows = nil
				t.Errorf("%+v", r)
			}
			if r.Rows[0].Video || r.Rows[3].Video || !r.Rows[4].Incomplete || r.Rows[7].Incomplete {
				t.Error("sessions without a video are not first")
			}
			if s := r.Rows[0].Session; s == nil || s.User != "李雷(lilei)" || s.Length() != time.Hour {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestWithoutCoreTheReportIsOfTasks: if core fails, the report says so and contains
// the sessions of tasks.
func TestWithoutCoreTheReportIsOfTasks(t *testing.T) {
	m, _ := site(t, "4.10.16")
	m.Sessions = func(context.Context, coreapi.SessionQuery) (coreapi.SessionPage, error) {
		return coreapi.SessionPage{}, errors.New("core cannot be reached")
	}
	r, err := m.Make(t.Context(), october, november)
	if err != nil {
		t.Fatal(err)
	}
	if r.Source != FromTasks || !strings.Contains(r.Problem, "cannot be reached") || r.Sessions != 4 || r.Video != 2 || r.Text != 1 {
		t.Errorf("%+v", r)
	}
}

func TestReportsAreServed(t *testing.T) {
	m, _ := site(t, "4.10.16")
	m.HideNames = true
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	get := func(query string) (int, []byte) {
		resp, err := s.Client().Get(s.URL + "?" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	for _, bad := range []string{"", "from=2026-10-01", "from=x&to=y", "from=2026-10-02&to=2026-10-01", "from=2026-10-01&to=2026-10-31&limit=x"} {
		if status, body := get(bad); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	_, body := get("from=2026-10-01&to=2026-10-31&limit=2")
	var r Report
	if err := json.Unmarshal(body, &r); err != nil || len(r.Rows) != 2 || r.Sessions != 8 || r.Rows[0].Session != nil {
		t.Errorf("%v, %s", err, body)
	}
	m.HideNames = false
	_, body = get("from=2026-10-01&to=2026-10-31&format=csv")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(body), taskapi.CSVMark))).ReadAll()
	if err != nil || len(rows) != 9 || rows[1][7] != "'=1+1" {
		t.Errorf("%v, %q", err, rows)
	}
}
