package taskapi

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestRetryByFilter: tasks that a filter selects are retried. Tasks that are done are not,
// and skipped ones only if state or reason selects them.
func TestRetryByFilter(t *testing.T) {
	began := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	states := []queue.State{queue.StateFailed, queue.StateFailed, queue.StateSkipped, queue.StateDone, queue.StateRetrying, queue.StateQueued}
	var tasks []queue.Task
	for i, state := range states {
		reason := queue.Class("encoder")
		if state == queue.StateSkipped {
			reason = "not_guacamole"
		}
		user := []string{"Ivanov(ivanov)", "Petrov(petrov)"}[i%2]
		tasks = append(tasks, queue.Task{
			ID: string(rune('a'+i)) + "0000000-0000-4000-8000-000000000000", Fingerprint: "x", State: state, Reason: reason, Created: began, Updated: began,
			Source: task.Encode(task.Source{Path: "2026-11-20/x.replay.gz"}), Next: began.AddDate(10, 0, 0),
			Data: task.Encode(task.Journal{Session: &task.Session{User: user, Start: began}}),
		})
	}
	for name, tc := range map[string]struct {
		filter Filter
		want   []int
	}{
		"user":     {Filter{User: "ivanov"}, []int{0, 4}},
		"reason":   {Filter{Reason: "encoder"}, []int{0, 1, 4}},
		"skipped":  {Filter{States: []queue.State{queue.StateSkipped}}, []int{2}},
		"skip":     {Filter{Reason: "not_guacamole"}, []int{2}},
		"day":      {Filter{From: began.Add(-time.Hour), To: began.Add(time.Hour)}, []int{0, 1, 4}},
		"no day":   {Filter{From: began.Add(time.Hour)}, nil},
		"and both": {Filter{User: "petrov", States: []queue.State{queue.StateFailed}}, []int{1}},
	} {
		api, c := stocked(t, tasks)
		n, err := c.RetryAll(t.Context(), tc.filter, "")
		if err != nil || n != len(tc.want) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		for i, before := range tasks {
			now, err := api.Queue.Get(t.Context(), before.ID)
			want := before.State
			if slices.Contains(tc.want, i) {
				want = queue.StateQueued
			}
			if err != nil || now.State != want {
				t.Errorf("%s: %d is %s, %v", name, i, now.State, err)
			}
		}
	}
	_, c := stocked(t, tasks)
	var p *Problem
	if _, err := c.RetryAll(t.Context(), Filter{}, ""); !errors.As(err, &p) || !strings.Contains(p.Text, "a filter is missing") {
		t.Errorf("retry without a filter: %v", err)
	}
	if _, err := c.RetryAll(t.Context(), Filter{User: "ivanov"}, "everything"); !errors.As(err, &p) || !strings.Contains(p.Text, "accept=everything") {
		t.Errorf("%v", err)
	}
	if err := c.First(t.Context(), tasks[3].ID); !errors.As(err, &p) || p.Code != CodeDone {
		t.Errorf("next of a task that is done: %v", err)
	}
}

// TestWhoAskedIsLogged with the request, also if it was refused; a client cannot add lines
// of its own to the log.
func TestWhoAskedIsLogged(t *testing.T) {
	api, c := stocked(t, nil)
	var log bytes.Buffer
	api.Log = slog.New(slog.NewTextHandler(&log, nil))
	var err error
	api.Steering, err = steering.Open(filepath.Join(t.TempDir(), "steering.json"), steering.Status{MaxWorkers: 8}, func(steering.Settings) {}, api.Log)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_USER", "ivanov")
	s, err := c.Pause(t.Context(), true)
	if err != nil || s.Paused == nil || s.Paused.By != "ivanov with the command line from 127.0.0.1" {
		t.Fatalf("%+v, %v", s, err)
	}
	if again, err := c.Pause(t.Context(), true); err != nil || *again.Paused != *s.Paused {
		t.Errorf("a second pause: %+v, %v", again, err)
	}
	tooMany := 9
	var p *Problem
	if _, err := c.Limit(t.Context(), nil, &tooMany); !errors.As(err, &p) || p.Code != CodeRange {
		t.Error(err)
	}
	if _, err := c.steer(t.Context(), nil); err == nil {
		t.Error("nothing was changed, without an error")
	}
	for _, want := range []string{
		`action=steer by="ivanov with the command line from 127.0.0.1" paused=true`, `failed" action=steer`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log.String())
		}
	}
	for agent, want := range map[string]string{
		"curl/8":               "someone with the API from ",
		product + " (x\ny) (z": "xyz with the command line from ",
		product + " (" + strings.Repeat("x", 300) + ")": strings.Repeat("x", 64) + " with",
		product: "someone with the command line from ",
	} {
		r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"User-Agent": {agent}}}
		if got := requester(r); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q", agent, got)
		}
	}
}
