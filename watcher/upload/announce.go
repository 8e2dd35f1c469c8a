package upload

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Limits of announcements: parsing one takes about ten megabytes.
const (
	maxMeta       = 2 << 20 // bytes; enough for ten thousand parts as the newest Lion describes them
	maxFiles      = 10_000
	maxAnnouncing = 4                // parsed at the same time
	announceWait  = 5 * time.Second  // wait for one of these slots
	announceRead  = 30 * time.Second // for the body: Lion waits no longer for the whole request
)

// announced begins a v4 task: its parts follow.
func (s *Server) announced(r *http.Request, rc *http.ResponseController, session, caller string) (Task, error) {
	if r.ContentLength > maxMeta {
		return Task{}, errMeta
	}
	waiting, cancel := context.WithTimeout(r.Context(), cmp.Or(s.announceWait, announceWait))
	defer cancel()
	if s.announcing.take(waiting, maxAnnouncing) != nil {
		return Task{}, refuse(http.StatusServiceUnavailable, "announcements: %w", errCrowded)
	}
	defer s.announcing.give()
	_ = rc.SetReadDeadline(time.Now().Add(announceRead))
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMeta+1))
	if err != nil {
		return Task{}, refuse(http.StatusBadRequest, "read the task: %w", err)
	}
	if len(body) > maxMeta {
		return Task{}, errMeta
	}
	t, err := parseAnnouncement(body, session)
	if err != nil {
		return Task{}, err
	}
	t.Caller = caller
	return s.Spool.Create(t)
}

var errMeta = refuse(http.StatusRequestEntityTooLarge, "a task of more than %d bytes", maxMeta)

// parseAnnouncement parses the task of a session in the form of each SDK.
func parseAnnouncement(body []byte, session string) (Task, error) {
	var in struct {
		Meta json.RawMessage `json:"meta"`
	}
	var meta struct {
		ID    string `json:"id"`
		Files []struct {
			Name     string      `json:"name"`
			Size     json.Number `json:"size"`
			Checksum string      `json:"checksum"`
		} `json:"files"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Task{}, refuse(http.StatusBadRequest, "the task is not JSON: %w", err)
	}
	if err := json.Unmarshal(in.Meta, &meta); err != nil {
		return Task{}, refuse(http.StatusBadRequest, "the task's meta: %w", err)
	}
	switch {
	case meta.ID != "" && meta.ID != session:
		return Task{}, refuse(http.StatusBadRequest, "the task is for session %.100q", meta.ID)
	case len(meta.Files) == 0 || len(meta.Files) > maxFiles:
		return Task{}, refuse(http.StatusBadRequest, "%d files", len(meta.Files))
	}
	t := Task{Session: session, Component: "lion", Index: in.Meta, Files: make([]File, 0, len(meta.Files))}
	seen := map[string]bool{}
	for _, f := range meta.Files {
		// The name is only compared: there is only one valid form.
		if n := recording.ParseName("2000-01-01/" + session + "/" + f.Name); n.Class != recording.ClassPart || n.Session != session || seen[f.Name] {
			return Task{}, refuse(http.StatusBadRequest, "%.100q is not the name of a part of this session", f.Name)
		}
		seen[f.Name] = true
		length, _ := f.Size.Int64() // a value that is not a number is unknown
		t.Files = append(t.Files, File{Name: f.Name, Checksum: strings.ToLower(f.Checksum), Length: length})
	}
	return t, nil
}
