package coreapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const sessionsPath = "/api/v1/terminal/sessions/"

// Session is one recorded connection of a user to an asset: what the agent
// needs of what core knows about it.
type Session struct {
	ID         string // lower-case UUID
	Protocol   string // of the asset, which for remote applications is not rdp
	IsFinished bool
	HasReplay  bool // false also when core's answer is not understood
	DateStart  time.Time
	DateEnd    time.Time // zero while the session lasts, and when core's answer is not understood
	Terminal   Terminal  // the component that recorded it; zero if deleted
}

// Terminal is a component of JumpServer.
type Terminal struct {
	Type string `json:"type"` // lion, razor, koko …
}

// DateDir is the folder of the session in replay storage: the day on which it
// began in UTC, YYYY-MM-DD, whatever zone core prints dates in.
func (s Session) DateDir() string { return s.DateStart.UTC().Format(time.DateOnly) }

// Graphical tells whether core takes a .replay.gz of this session for a
// Guacamole recording: by the component that made it, else by protocol.
func (s Session) Graphical() bool {
	switch strings.ToLower(s.Terminal.Type) {
	case "lion", "guacamole", "razor", "xrdp":
		return true
	}
	switch strings.ToLower(s.Protocol) {
	case "rdp", "vnc":
		return true
	}
	return false
}

// TextOnly reports whether the component that recorded the session never
// records pictures, whatever the protocol. Of components that are not known here
// it is false.
func (s Session) TextOnly() bool {
	switch strings.ToLower(s.Terminal.Type) {
	case "koko", "omnidb", "magnus", "chen", "kael", "core", "celery", "tinker", "video_worker":
		return true
	}
	return false
}

// UnmarshalJSON reads core's form of a session.
func (s *Session) UnmarshalJSON(b []byte) error {
	var w struct {
		ID         string         `json:"id"`
		Protocol   string         `json:"protocol"`
		IsFinished bool           `json:"is_finished"`
		HasReplay  optional[bool] `json:"has_replay"`
		DateStart  date           `json:"date_start"`
		DateEnd    optional[date] `json:"date_end"`
		Terminal   Terminal       `json:"terminal"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	switch {
	case w.ID == "":
		return errors.New("session without id")
	case time.Time(w.DateStart).IsZero():
		return fmt.Errorf("session %s without date_start", w.ID)
	}
	*s = Session{
		ID: w.ID, Protocol: w.Protocol, IsFinished: w.IsFinished, HasReplay: w.HasReplay.value,
		DateStart: time.Time(w.DateStart), DateEnd: time.Time(w.DateEnd.value), Terminal: w.Terminal,
	}
	return nil
}

// optional is a field that the agent can do without: a value of another form
// than expected is the zero value.
type optional[T any] struct{ value T }

func (o *optional[T]) UnmarshalJSON(b []byte) error {
	var value T
	if json.Unmarshal(b, &value) == nil {
		o.value = value
	}
	return nil
}

// date is a moment in one of the forms that core prints, all with a zone;
// null and "" are the zero time.
type date time.Time

var dateForms = []string{
	"2006/01/02 15:04:05 -0700", // the API's, in core's TIME_ZONE
	"2006-01-02 15:04:05 -0700", // what components write
	time.RFC3339Nano,
}

func (d *date) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*d = date{}
	if text == nil || *text == "" {
		return nil
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, *text); err == nil {
			*d = date(t)
			return nil
		}
	}
	return fmt.Errorf("date %q: unknown form", *text)
}

// Session returns the session, or [ErrNotFound].
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	var s Session
	err := c.session(ctx, id, call{op: "read session", method: http.MethodGet, out: &s})
	return s, err
}

// session makes a call about one session; l.path is below the session's.
func (c *Client) session(ctx context.Context, id string, l call) error {
	u, err := uuid.Parse(id)
	if err != nil || len(id) != len(uuid.Nil.String()) {
		// Core would answer 404 up to v3.10 and 500 from v4 on.
		return &Error{Op: l.op, Method: l.method, Path: sessionsPath + url.PathEscape(id) + "/" + l.path,
			Kind: ErrNotFound, Err: fmt.Errorf("session id %q is not a UUID", id)}
	}
	l.path = sessionsPath + u.String() + "/" + l.path
	return c.do(ctx, l)
}

// SessionQuery selects sessions; zero fields do not restrict.
type SessionQuery struct {
	IDs   []string // these only; few enough for a request line
	Limit int      // sessions a page; 0 stands for 100, at most 1000
}

// Core's limit is 1000 from v4.10.8 on and 10000 before; each row can cost it
// a count of commands, so that small pages are kind.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// SessionPage is a part of the sessions that a query selects.
type SessionPage struct {
	Count    int // of all that the query selects
	Sessions []Session
	More     bool // another page follows
}

// UnmarshalJSON reads core's envelope.
func (p *SessionPage) UnmarshalJSON(b []byte) error {
	var w struct {
		Count   *int      `json:"count"`
		Next    *string   `json:"next"`
		Results []Session `json:"results"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if w.Count == nil {
		return errors.New("page of sessions without count")
	}
	*p = SessionPage{Count: *w.Count, Sessions: w.Results, More: w.Next != nil}
	return nil
}

// Sessions returns the first page of the sessions, the newest first.
func (c *Client) Sessions(ctx context.Context, q SessionQuery) (SessionPage, error) {
	v := url.Values{"offset": {"0"}}
	if len(q.IDs) > 0 {
		v.Set("ids", strings.Join(q.IDs, ","))
	}
	v.Set("limit", strconv.Itoa(max(1, min(or(q.Limit, defaultLimit), maxLimit))))
	var p SessionPage
	err := c.do(ctx, call{op: "list sessions", method: http.MethodGet, path: sessionsPath, query: v, out: &p})
	return p, err
}

// MarkReplay tells core that the session has a replay of so many bytes; 0
// leaves the size out. Cores before v4.10.4 ignore the size.
func (c *Client) MarkReplay(ctx context.Context, id string, size int64) error {
	in := struct {
		HasReplay bool  `json:"has_replay"`
		Size      int64 `json:"replay_size,omitempty"`
	}{true, max(0, size)}
	return c.session(ctx, id, call{op: "mark replay", method: http.MethodPatch, in: in})
}

// MarkConvertFailed tells core that the recording cannot be converted. Core
// has no way to take it back.
func (c *Client) MarkConvertFailed(ctx context.Context, id string) error {
	in := map[string]string{"error_reason": "replay_convert_failed"}
	return c.session(ctx, id, call{op: "mark conversion as failed", method: http.MethodPatch, in: in})
}
