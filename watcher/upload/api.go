package upload

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Server implements Video-Worker's API.
type Server struct {
	Spool *Spool
	Auth  *Auth
	Log   *slog.Logger
	// Accepted is called for each upload that is complete and durable.
	Accepted func(Task)
	// Ready, if not nil, returns why no uploads can be accepted now.
	Ready func() error
	// Admit, if not nil, is called before an upload begins.
	Admit Admit
	// Silence is how long a client may send nothing in the middle of an upload; 0 =
	// 2 minutes. An upload that makes progress may take any time.
	Silence time.Duration
	// Unread is how long the body of a request may stay unread; 0 = 10 s. After
	// authentication the limit no longer applies while a handler reads.
	Unread time.Duration

	admitting  inquiries[struct{}]
	announcing slots
	// announceWait is how long an announcement waits for a slot; 0 = 5 seconds.
	announceWait time.Duration
}

// Limits of requests.
const (
	maxFields = 100 // of a form
	silence   = 2 * time.Minute
	unread    = 10 * time.Second
	// tryAgain is the Retry-After for clients that were refused because of too many
	// others.
	tryAgain = 10 * time.Second
)

// refusal is an error with the status of its response.
type refusal struct {
	status int
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Errorf(format, args...)}
}

// answer writes a JSON response; every client requires that content type.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// fail responds with an error that every client recognizes.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	var refused *refusal
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // the client sent nothing for too long
		status = http.StatusRequestTimeout
	case errors.As(err, &refused):
		status = refused.status
	case errors.Is(err, io.ErrUnexpectedEOF):
		status = http.StatusBadRequest
	case errors.Is(err, ErrNoTask):
		status = http.StatusNotFound
	case errors.Is(err, ErrBusy):
		status = http.StatusConflict
	case errors.Is(err, ErrChecksum), errors.Is(err, ErrLength):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, ErrEmpty):
		status = http.StatusUnsupportedMediaType
	case errors.Is(err, ErrFull):
		status = http.StatusInsufficientStorage
	case errors.Is(err, ErrMany):
		status = http.StatusTooManyRequests
	}
	s.Log.Warn("upload refused; the client falls back to its own storage", "path", r.URL.Path, "from", r.RemoteAddr, "status", status, "error", err)
	if errors.Is(err, errCrowded) {
		w.Header().Set("Retry-After", strconv.Itoa(int(tryAgain.Seconds())))
	}
	// The rest of the body is not read, so the connection must be closed.
	w.Header().Set("Connection", "close")
	answerError(w, r, status, err)
}

// answerError writes the error in the form of each era. For a form it is plain
// text: Lion prints that to its log, but of a JSON response only the status.
func answerError(w http.ResponseWriter, r *http.Request, status int, err error) {
	if isForm(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(status)
		fmt.Fprintln(w, strings.ReplaceAll(err.Error(), "\n", "; ")) //nolint:gosec // plain text, and no browser guesses another type
		return
	}
	answer(w, status, map[string]any{"ok": false, "error": err.Error(), "error_message": err.Error()})
}

// task handles a v3 recording or a v4 announcement.
func (s *Server) task(w http.ResponseWriter, r *http.Request) {
	t, err := s.begin(r, http.NewResponseController(w))
	if err != nil {
		s.refused(w, r, err)
		return
	}
	s.Log.Info("upload", "task", t.ID, "session", t.Session, "component", t.Component, "account", t.Caller, "files", len(t.Files))
	answer(w, http.StatusOK, map[string]any{"id": t.ID, "session_id": t.Session, "status": "pending"})
}

func (s *Server) begin(r *http.Request, rc *http.ResponseController) (Task, error) {
	caller, err := s.Auth.Caller(r)
	if err != nil {
		return Task{}, err
	}
	if s.Ready != nil {
		if err := s.Ready(); err != nil {
			return Task{}, refuse(http.StatusServiceUnavailable, "%w: %w", errNotReady, err)
		}
	}
	session := r.PathValue("session")
	if !validID(session) {
		return Task{}, refuse(http.StatusBadRequest, "%.100q is not a session id", session)
	}
	if err := s.admit(r.Context(), session); err != nil {
		return Task{}, err
	}
	if err := s.Spool.Room(r.ContentLength); err != nil {
		return Task{}, err
	}
	r.Body = &patient{r.Body, rc, cmp.Or(s.Silence, silence)}
	if isForm(r) {
		return s.form(r, session, caller)
	}
	return s.announced(r, rc, session, caller)
}

// isForm reports whether a request has a multipart form, as requests with files do.
func isForm(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/")
}

// part handles a file of a v4 task.
func (s *Server) part(w http.ResponseWriter, r *http.Request) {
	if err := s.storePart(r, http.NewResponseController(w)); err != nil {
		s.refused(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"ok": true})
}

func (s *Server) storePart(r *http.Request, rc *http.ResponseController) error {
	caller, err := s.Auth.Caller(r)
	if err != nil {
		return err
	}
	index, err := strconv.Atoi(r.PathValue("index"))
	if err != nil {
		return refuse(http.StatusBadRequest, "%q is not an index", r.PathValue("index"))
	}
	t, err := s.Spool.head(r.PathValue("task"))
	if err != nil {
		return err
	}
	if t.Caller != caller {
		return refuse(http.StatusForbidden, "the upload was begun by another account")
	}
	if err := s.Spool.Room(r.ContentLength); err != nil {
		s.drop(t)
		return err
	}
	r.Body = &patient{r.Body, rc, cmp.Or(s.Silence, silence)}
	form, err := newForm(r)
	if err != nil {
		return err
	}
	for range maxFields {
		part, err := form.next()
		if err != nil {
			s.drop(t)
			return refuse(http.StatusBadRequest, "the form has no file: %w", err)
		}
		if part.FormName() != "file" {
			continue
		}
		file, err := s.Spool.Store(r.Context(), t.ID, index, form.file(part), knownPart)
		if err != nil {
			if !errors.Is(err, ErrBusy) && !errors.Is(err, ErrNoTask) {
				s.drop(t) // after any failure the client stores the whole recording elsewhere
			}
			return err
		}
		if err := file.short(); err != nil {
			s.Log.Warn("a part has the announced checksum but another length; the client's disk may have been full", "task", t.ID, "session", t.Session, "error", err)
		}
		return s.commit(t)
	}
	return refuse(http.StatusBadRequest, "the form has more than %d fields", maxFields)
}

// commit completes an upload if it has all files.
func (s *Server) commit(t Task) error {
	t, completed, err := s.Spool.Commit(t.ID)
	if err != nil {
		s.drop(t)
		return err
	}
	if completed {
		s.Log.Info("upload complete", "task", t.ID, "session", t.Session)
		s.accepted(t)
	}
	return nil
}

func (s *Server) accepted(t Task) {
	s.Spool.count(Accepted, "")
	if s.Accepted != nil {
		s.Accepted(t)
	}
}

// drop deletes a refused upload, unless it is complete.
func (s *Server) drop(t Task) {
	if t.ID == "" {
		return
	}
	if err := s.Spool.Drop(t.ID); err != nil && !errors.Is(err, ErrNoTask) {
		s.Log.Warn("a refused upload stays in the spool until it expires", "task", t.ID, "error", err)
	}
}

// patient extends the read deadline on every read: a slow upload may continue, a
// stalled one times out.
type patient struct {
	io.ReadCloser
	rc      *http.ResponseController
	silence time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(p.silence))
	return p.ReadCloser.Read(b)
}

// validID reports whether a text is a UUID as core writes them.
func validID(id string) bool {
	return recording.ParseName("2000-01-01/"+id+".replay.gz").Session == id && id != ""
}
