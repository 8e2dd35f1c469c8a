package taskapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Trash has the originals that were replaced by MP4s; see package transcode.
type Trash interface {
	InTrash(ctx context.Context, session string) ([]task.Trashed, error)
	Restore(ctx context.Context, session, by string) ([]task.Trashed, error)
}

// Incomplete is the value of accept with which a retry converts incomplete recordings.
const Incomplete = "incomplete"

// Parameters of calls that change something.
const (
	accept    = "accept"
	paused    = "paused"
	cpuTarget = "cpu_target"
	workers   = "workers"
	ofSession = "session"
)

// audit logs a request that changes something: its action, its sender, its parameters and
// its result.
func (s *Server) audit(r *http.Request, action string, err error, what ...any) {
	args := append([]any{"action", action, "by", requester(r)}, what...)
	if forwarded := r.Header.Get("X-Forwarded-For"); forwarded != "" {
		args = append(args, "forwarded_for", fmt.Sprintf("%.100s", forwarded))
	}
	if err != nil {
		s.Log.Info("an operator's request failed", append(args, "error", err)...)
		return
	}
	s.Log.Info("an operator's request was carried out", args...)
}

// retry serves the retry of one task.
func (s *Server) retry(w http.ResponseWriter, r *http.Request) {
	change, err := changeOf(r.URL.Query())
	if err != nil {
		s.fail(w, http.StatusBadRequest, err)
		return
	}
	id, err := s.Queue.Resolve(r.Context(), r.PathValue("id"))
	if err == nil {
		err = s.putBack(r.Context(), id, change)
		s.audit(r, "retry", err, "session", id, accept, r.URL.Query().Get(accept))
	}
	if err != nil {
		s.failAs(w, err)
		return
	}
	s.respond(w, Retried{1})
}

// putBack puts a task back with the pool's Retry, or with the queue's if there is no pool.
func (s *Server) putBack(ctx context.Context, id string, change func(*queue.Task)) error {
	if s.Retry != nil {
		return s.Retry(ctx, id, change)
	}
	return s.Queue.Retry(ctx, id, change)
}

// retryAll serves the retry of all tasks that filters select.
func (s *Server) retryAll(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	f, err := parseFilter(v)
	if err == nil && f.all() {
		err = errors.New("a filter is missing: reason, state, from, to, day, user, asset, q or incomplete")
	}
	change, invalid := changeOf(v)
	if err = errors.Join(err, invalid); err != nil {
		s.fail(w, http.StatusBadRequest, err)
		return
	}
	chosen, err := s.retryable(r.Context(), f)
	n := 0
	for _, id := range chosen {
		switch err = s.putBack(r.Context(), id, change); {
		case err == nil:
			n++
		case errors.Is(err, queue.ErrActive), errors.Is(err, queue.ErrNotFound), errors.Is(err, task.ErrUploadGone):
			err = nil // it has changed meanwhile, or a retry cannot help it
		}
		if err != nil {
			break
		}
	}
	s.audit(r, "retry", err, "filter", f.values().Encode(), accept, v.Get(accept), "tasks", n)
	if err != nil {
		s.failAs(w, err)
		return
	}
	s.respond(w, Retried{n})
}

// retryable returns the ids of the tasks that a filter selects and that a retry changes.
func (s *Server) retryable(ctx context.Context, f Filter) (chosen []string, err error) {
	tasks, err := s.Queue.Newest(ctx)
	if err != nil {
		return nil, err
	}
	m := f.matcher()
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	for _, t := range tasks {
		if f.Retries(t.State, t.Held()) && m.shallow(t.State, t.Reason) && (!m.deep || m.keysMatch(s.index.of(t, s.View))) {
			chosen = append(chosen, t.ID)
		}
	}
	return chosen, nil
}

// changeOf returns the change that a retry with these parameters makes to a task, in
// addition to its state.
func changeOf(v url.Values) (func(*queue.Task), error) {
	switch what := v.Get(accept); what {
	case "":
		return func(*queue.Task) {}, nil
	case Incomplete:
		return task.Accept, nil
	default:
		return nil, fmt.Errorf("%s=%.40s: must be %s", accept, what, Incomplete)
	}
}

// next serves the request to process a task before all others.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	id, err := s.Queue.Resolve(r.Context(), r.PathValue("id"))
	if err == nil {
		err = s.Queue.First(r.Context(), id)
		s.audit(r, "next", err, "session", id)
	}
	if err != nil {
		s.failAs(w, err)
		return
	}
	s.respond(w, Retried{1})
}

// steer serves changes of the settings at run time.
func (s *Server) steer(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	change, err := steeringOf(v, requester(r))
	if err != nil {
		s.fail(w, http.StatusBadRequest, err)
		return
	}
	status, err := s.Steering.Change(change)
	var what []any
	for _, name := range []string{paused, cpuTarget, workers} {
		if v.Has(name) {
			what = append(what, name, v.Get(name))
		}
	}
	s.audit(r, "steer", err, what...)
	if err != nil {
		s.failAs(w, err)
		return
	}
	s.respond(w, status)
}

// steeringOf returns the change of settings that the parameters request. by is who
// requested it.
func steeringOf(v url.Values, by string) (func(*steering.Settings), error) {
	var changes []func(*steering.Settings)
	if v.Has(paused) {
		pause, err := strconv.ParseBool(v.Get(paused))
		if err != nil {
			return nil, fmt.Errorf("%s: must be 1 or 0", paused)
		}
		changes = append(changes, func(s *steering.Settings) {
			switch {
			case !pause:
				s.Paused = nil
			case s.Paused == nil: // an earlier pause stays as it is
				s.Paused = &steering.Pause{Since: time.Now().UTC().Truncate(time.Second), By: by}
			}
		})
	}
	for name, set := range map[string]func(*steering.Settings, int){
		cpuTarget: func(s *steering.Settings, n int) { s.CPUTarget = n },
		workers:   func(s *steering.Settings, n int) { s.Workers = n },
	} {
		if !v.Has(name) {
			continue
		}
		n, err := strconv.Atoi(v.Get(name))
		if err != nil {
			return nil, fmt.Errorf("%s: %.40q is not a number", name, v.Get(name))
		}
		changes = append(changes, func(s *steering.Settings) { set(s, n) })
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf("a parameter is missing: %s, %s or %s", paused, cpuTarget, workers)
	}
	return func(s *steering.Settings) {
		for _, change := range changes {
			change(s)
		}
	}, nil
}

// trash serves the list of originals in the trash.
func (s *Server) trash(w http.ResponseWriter, r *http.Request) {
	items, err := s.Trash.InTrash(r.Context(), r.URL.Query().Get(ofSession))
	if err != nil {
		s.failAs(w, err)
		return
	}
	s.respond(w, items)
}

// restoreTimeout limits a restore, which copies objects if the trash is in a bucket.
const restoreTimeout = time.Hour

// restore serves the request to move originals back from the trash.
func (s *Server) restore(w http.ResponseWriter, r *http.Request) {
	// The copy of a large object is finished even if the client disconnects.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), restoreTimeout)
	defer cancel()
	items, err := s.Trash.Restore(ctx, r.PathValue("id"), requester(r))
	s.audit(r, "restore", err, "session", r.PathValue("id"), "restored", len(items))
	if err != nil {
		s.failAs(w, err)
		return
	}
	s.respond(w, items)
}
