package upload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// form handles a v3 task: the recording is in the request. It is accepted only when
// the whole form was received.
func (s *Server) form(r *http.Request, session, caller string) (t Task, err error) {
	form, err := newForm(r)
	if err != nil {
		return Task{}, err
	}
	t = Task{Session: session, Component: "lion", Caller: caller}
	defer func() {
		if err != nil {
			s.drop(t)
		}
	}()
	for range maxFields {
		part, err := form.next()
		if errors.Is(err, io.EOF) && t.ID != "" {
			return t, s.commit(t)
		}
		if err != nil {
			return t, refuse(http.StatusBadRequest, "the form ends without a recording: %w", err)
		}
		if part.FormName() == "file" && t.ID == "" {
			if t, err = s.recording(r.Context(), t, form.file(part)); err != nil {
				return t, err
			}
			continue
		}
		text, err := form.text(part)
		if err != nil {
			return t, refuse(http.StatusBadRequest, "the form: %w", err)
		}
		switch part.FormName() {
		case "session_id":
			if text != session {
				return t, refuse(http.StatusBadRequest, "the form is for session %.100q", text)
			}
		case "component_type":
			if t.ID == "" {
				t.Component = fmt.Sprintf("%.40s", text)
			}
		}
	}
	return t, refuse(http.StatusBadRequest, "the form has more than %d fields", maxFields)
}

// recording stores the file of a form. The returned task has an id as soon as there
// is something to delete.
func (s *Server) recording(ctx context.Context, t Task, part io.Reader) (Task, error) {
	in := bufio.NewReaderSize(part, 64<<10)
	head, err := in.Peek(2)
	if err != nil {
		return t, refuse(http.StatusBadRequest, "an empty recording: %w", err)
	}
	name := t.Session + ".guac"
	if head[0] == 0x1f && head[1] == 0x8b {
		name = t.Session + ".replay.gz"
	}
	t.Files = []File{{Name: name}}
	created, err := s.Spool.Create(t)
	if err != nil {
		return t, err
	}
	_, err = s.Spool.Store(ctx, created.ID, 0, in, known)
	return created, err
}

// errEmptyPart says that a part is empty. Lion lists an empty part if guacd hangs
// when the part begins; the other parts are valid.
var errEmptyPart = errors.New("it is empty")

// knownPart is known for a part of a recording, which may be empty.
func knownPart(name string, r io.Reader) error {
	err := known(name, r)
	var refused *refusal
	if errors.As(err, &refused) && errors.Is(refused.err, errEmptyPart) {
		return errEmptyPart
	}
	return err
}

// known refuses content that is not a Guacamole dump, and says what it looks like.
func known(name string, r io.Reader) error {
	kind, head, err := recording.Look(r)
	switch {
	case err != nil:
		return refuse(http.StatusUnsupportedMediaType, "%s cannot be read as a recording: %w", name, err)
	case kind == recording.KindGuacamole:
		return nil
	case kind == recording.KindEmpty:
		return refuse(http.StatusUnsupportedMediaType, "%s: %w", name, errEmptyPart)
	case kind == recording.KindUnknown:
		return refuse(http.StatusUnsupportedMediaType,
			"content of unknown kind cannot be converted (it looks like %s and begins with %q); if it comes from Razor, its own storage keeps it",
			http.DetectContentType(head), head[:min(len(head), 16)])
	}
	return refuse(http.StatusUnsupportedMediaType, "content of kind %v cannot be converted; if it comes from Razor, its own storage keeps it", kind)
}
