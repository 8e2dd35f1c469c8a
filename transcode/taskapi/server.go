// Package taskapi is how people and scripts reach a running agent: a small
// JSON API over the task queue, and the client that the command line uses.
//
// # Calls
//
//	GET  /video-worker/api/tasks            all tasks, newest change first
//	GET  /video-worker/api/tasks/{id}       one task
//	GET  /video-worker/api/tasks/{id}/log   its log, plain text
//	POST /video-worker/api/tasks/{id}/retry try it again now
//	POST /video-worker/api/retry?reason=R   try again all that failed for R
//	GET  /video-worker/api/access           what was seen of proxies
//
// # Who may call
//
// Whoever has the bearer token; while none is set, processes on the same host.
// See [Access]. No call returns recordings, videos or secrets.
package taskapi

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Prefix is where the API lives.
const Prefix = "/video-worker/api"

// Server answers the API's calls.
type Server struct {
	Queue    *queue.Queue
	TasksDir string             // where task logs are
	Settling func() []task.View // recordings found and not yet queued; may be nil
	Access   *Access
	Log      *slog.Logger
}

// Retried answers how many tasks a retry put back.
type Retried struct {
	Retried int `json:"retried"`
}

// Problem is the body of every answer that is not 2xx.
type Problem struct {
	Error string `json:"error"`
}

// Handler is the API, guarded.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"/tasks", s.list)
	mux.HandleFunc("GET "+Prefix+"/tasks/{id}", s.show)
	mux.HandleFunc("GET "+Prefix+"/tasks/{id}/log", s.log)
	mux.HandleFunc("POST "+Prefix+"/tasks/{id}/retry", s.retry)
	mux.HandleFunc("POST "+Prefix+"/retry", s.retryClass)
	mux.HandleFunc("GET "+Prefix+"/access", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.Access.Proxied()) })
	return s.Access.Guard(mux)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	tasks, err := s.Queue.List(r.Context())
	if err != nil {
		s.fail(w, http.StatusServiceUnavailable, err)
		return
	}
	views := []task.View{}
	for _, t := range tasks {
		views = append(views, task.ViewOf(t))
	}
	if s.Settling != nil {
		views = append(views, s.Settling()...)
	}
	slices.SortStableFunc(views, func(a, b task.View) int { return b.Updated.Compare(a.Updated) })
	s.answer(w, views)
}

func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	t, err := s.Queue.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		s.notFoundOr(w, err)
		return
	}
	s.answer(w, task.ViewOf(t))
}

func (s *Server) log(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		s.fail(w, http.StatusNotFound, errors.New("no such task"))
		return
	}
	f, err := os.Open(filepath.Join(s.TasksDir, id.String(), "task.log")) //nolint:gosec // a UUID, written anew
	if errors.Is(err, fs.ErrNotExist) {
		s.fail(w, http.StatusNotFound, errors.New("this agent has no log of that task"))
		return
	}
	if err != nil {
		s.fail(w, http.StatusInternalServerError, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.Copy(w, f)
}

func (s *Server) retry(w http.ResponseWriter, r *http.Request) {
	if err := s.Queue.Retry(r.Context(), r.PathValue("id")); err != nil {
		s.notFoundOr(w, err)
		return
	}
	s.answer(w, Retried{1})
}

func (s *Server) retryClass(w http.ResponseWriter, r *http.Request) {
	reason := r.URL.Query().Get("reason")
	if reason == "" {
		s.fail(w, http.StatusBadRequest, errors.New("reason is missing"))
		return
	}
	n, err := s.Queue.RetryClass(r.Context(), queue.Class(reason))
	if err != nil {
		s.fail(w, http.StatusServiceUnavailable, err)
		return
	}
	s.answer(w, Retried{n})
}

func (s *Server) notFoundOr(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, queue.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, queue.ErrActive):
		status = http.StatusConflict
	}
	s.fail(w, status, err)
}

func (s *Server) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.Log.Debug("answer not taken", "error", err)
	}
}

func (s *Server) fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Problem{err.Error()})
}
