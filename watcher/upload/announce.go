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

// Bounds of announcements: one costs some ten megabytes while it is read.
const (
	maxMeta       = 2 << 20 // bytes; ten thousand parts, as the newest Lion describes them, just fit
	maxFiles      = 10_000
	maxAnnouncing = 4                // read at once
	announceWait  = 5 * time.Second  // for one of these places
	announceRead  = 30 * time.Second // for the bytes: Lion gives the whole request no more
)

// announced begins a v4 task: the parts follow.
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

// parseAnnouncement reads the task of a session in the words of each SDK.
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
		return Task{}, refuse(http.StatusBadRequest, "the task is no JSON: %w", err)
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
		// The name is only compared: what it must be is known.
		if n := recording.ParseName("2000-01-01/" + session + "/" + f.Name); n.Class != recording.ClassPart || n.Session != session || seen[f.Name] {
			return Task{}, refuse(http.StatusBadRequest, "%.100q is no name of a part of this session", f.Name)
		}
		seen[f.Name] = true
		length, _ := f.Size.Int64() // what is no number is not told
		t.Files = append(t.Files, File{Name: f.Name, Checksum: strings.ToLower(f.Checksum), Length: length})
	}
	return t, nil
}
