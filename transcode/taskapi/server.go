// Package taskapi gives people and scripts access to a running agent: a small JSON API
// over the task queue, and the client that the command line uses.
//
// # Calls
//
//	GET  /video-worker/api/tasks            tasks, the latest change first
//	GET  /video-worker/api/tasks/{id}       one task
//	GET  /video-worker/api/tasks/{id}/log   its log, plain text
//	POST /video-worker/api/tasks/{id}/retry retry it now
//	POST /video-worker/api/retry?…          retry all tasks that filters select
//	     …?accept=incomplete                and convert incomplete recordings
//	POST /video-worker/api/tasks/{id}/next  process it before all others
//	GET  /video-worker/api/steering         the settings that an operator changes at run time
//	POST /video-worker/api/steering?…       change them: paused=1, paused=0, cpu_target=N,
//	                                        workers=N; 0 = as configured
//	GET  /video-worker/api/trash?session=ID originals in the trash
//	POST /video-worker/api/trash/{id}/restore move a session's originals back
//	GET  /video-worker/api/access           which proxies the agent has noticed
//
// {id} is the id of a task, or its first characters: at least four, with which no other
// id begins.
//
// A list takes filters: state (several, separated by commas), reason, from and to or day
// (when the session began), user, asset, q (a text in any of its names), incomplete=1.
// With limit, it returns one page. The header Next-Cursor has the parameter cursor for
// the next page, and Total-Count the number of tasks on all pages. With format=csv, the
// list is CSV.
//
// A retry takes the same filters, and at least one. It never retries tasks that are done,
// and retries skipped ones only if state or reason selects them.
//
// # Who may call
//
// A caller needs the bearer token; if none is set, processes on the same host may call.
// See [Access]. No call returns recordings, videos or secrets. Each call that changes
// something is logged, with its caller.
package taskapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Prefix is the path below which all calls of the API are.
const Prefix = "/video-worker/api"

// Server serves the API. All fields but Retry and Settling must be set for the calls that
// use them.
type Server struct {
	Queue *queue.Queue
	// Retry retries a task and applies the changes to it; nil = [queue.Queue.Retry].
	Retry    func(ctx context.Context, id string, changes ...func(*queue.Task)) error
	Steering *steering.Steering
	Trash    Trash
	TasksDir string             // the folder of task logs
	Settling func() []task.View // recordings found and not yet queued; may be nil
	// HideNames removes what core reports of sessions from all responses.
	HideNames bool
	Access    *Access
	Log       *slog.Logger

	index index
}

// Retried is the response to a retry: how many tasks it has retried.
type Retried struct {
	Retried int `json:"retried"`
}

// Handler returns the handler of all calls, guarded by Access.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"/tasks", s.list)
	mux.HandleFunc("GET "+Prefix+"/tasks/{id}", s.show)
	mux.HandleFunc("GET "+Prefix+"/tasks/{id}/log", s.log)
	mux.HandleFunc("POST "+Prefix+"/tasks/{id}/retry", s.retry)
	mux.HandleFunc("POST "+Prefix+"/retry", s.retryAll)
	mux.HandleFunc("POST "+Prefix+"/tasks/{id}/next", s.next)
	mux.HandleFunc("GET "+Prefix+"/steering", func(w http.ResponseWriter, _ *http.Request) { s.respond(w, s.Steering.Status()) })
	mux.HandleFunc("POST "+Prefix+"/steering", s.steer)
	mux.HandleFunc("GET "+Prefix+"/trash", s.trash)
	mux.HandleFunc("POST "+Prefix+"/trash/{id}/restore", s.restore)
	mux.HandleFunc("GET "+Prefix+"/access", func(w http.ResponseWriter, _ *http.Request) { s.respond(w, s.Access.Proxied()) })
	return s.Access.Guard(mux)
}

func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	t, err := s.get(r)
	if err != nil {
		s.failAs(w, err)
		return
	}
	s.respond(w, s.View(t))
}

// get returns the task whose id, or the beginning of it, is in the path.
func (s *Server) get(r *http.Request) (queue.Task, error) {
	id, err := s.Queue.Resolve(r.Context(), r.PathValue("id"))
	if err != nil {
		return queue.Task{}, err
	}
	return s.Queue.Get(r.Context(), id)
}

func (s *Server) log(w http.ResponseWriter, r *http.Request) {
	id, err := s.Queue.Resolve(r.Context(), r.PathValue("id"))
	if err != nil {
		s.failAs(w, err)
		return
	}
	f, err := os.Open(filepath.Join(s.TasksDir, filepath.Base(id), "task.log")) // the id is a UUID
	if errors.Is(err, fs.ErrNotExist) {
		s.failAs(w, errNoLog)
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

func (s *Server) respond(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.Log.Debug("could not send a response", "error", err)
	}
}

// failAs responds with an error and the status of its kind.
func (s *Server) failAs(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, queue.ErrNotFound), errors.Is(err, errNoLog), errors.Is(err, task.ErrNoOriginal):
		status = http.StatusNotFound
	case errors.Is(err, queue.ErrActive), errors.Is(err, queue.ErrDone), errors.Is(err, queue.ErrAmbiguous), errors.Is(err, task.ErrUploadGone),
		errors.Is(err, task.ErrInPlace):
		status = http.StatusConflict
	case errors.Is(err, errCursor), errors.Is(err, steering.ErrRange):
		status = http.StatusBadRequest
	}
	s.fail(w, status, err)
}

func (s *Server) fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Problem{err.Error(), codeOf(err)})
}
