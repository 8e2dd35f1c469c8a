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

// Session is one recorded connection of a user to an asset: those of core's fields
// that the agent needs.
type Session struct {
	ID         string // lower-case UUID
	User       string // who connected, as core writes it: "Lee(lee)"; "" if core's form is unknown
	Asset      string // to what, likewise: "win-07(10.3.4.7)"
	Account    string // with which account, likewise: "ops(ops)"
	Protocol   string // of the asset, which for remote applications is not rdp
	IsFinished bool
	HasReplay  bool // false also if core's form is unknown
	// ReplayUnknown means that core does not say whether there is a replay, or says
	// it in an unknown form.
	ReplayUnknown bool
	ReplaySize    int64 // bytes, as reported to core; 0 = not reported, or core is older than v4.10.4
	DateStart     time.Time
	DateEnd       time.Time // zero while the session lasts, and if core's form is unknown
	Terminal      Terminal  // the component that recorded it; zero if it was deleted
}

// Terminal is a component of JumpServer.
type Terminal struct {
	Type string `json:"type"` // lion, razor, koko …
}

// DateDir returns the name of the session's folder in replay storage: the UTC day
// on which it began, YYYY-MM-DD, whatever time zone core prints dates in.
func (s Session) DateDir() string { return s.DateStart.UTC().Format(time.DateOnly) }

// Graphical reports whether core treats a .replay.gz of this session as a Guacamole
// recording. Core decides by the component that made it, or else by the protocol.
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

// TextOnly reports whether the component that recorded the session never records
// pictures, whatever the protocol. It is false for unknown components.
func (s Session) TextOnly() bool {
	switch strings.ToLower(s.Terminal.Type) {
	case "koko", "omnidb", "magnus", "chen", "kael", "core", "celery", "tinker", "video_worker":
		return true
	}
	return false
}

// UnmarshalJSON parses core's form of a session.
func (s *Session) UnmarshalJSON(b []byte) error {
	var w struct {
		ID         string           `json:"id"`
		User       optional[string] `json:"user"`
		Asset      optional[string] `json:"asset"`
		Account    optional[string] `json:"account"`
		Protocol   string           `json:"protocol"`
		IsFinished bool             `json:"is_finished"`
		HasReplay  optional[bool]   `json:"has_replay"`
		ReplaySize optional[int64]  `json:"replay_size"`
		DateStart  date             `json:"date_start"`
		DateEnd    optional[date]   `json:"date_end"`
		Terminal   Terminal         `json:"terminal"`
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
		ID: w.ID, User: w.User.value, Asset: w.Asset.value, Account: w.Account.value, Protocol: w.Protocol, IsFinished: w.IsFinished,
		HasReplay: w.HasReplay.value, ReplayUnknown: !w.HasReplay.known, ReplaySize: w.ReplaySize.value,
		DateStart: time.Time(w.DateStart), DateEnd: time.Time(w.DateEnd.value), Terminal: w.Terminal,
	}
	return nil
}

// optional is a field that the agent can do without. A value of an unexpected form,
// or null, becomes the zero value.
type optional[T any] struct {
	value T
	known bool
}

func (o *optional[T]) UnmarshalJSON(b []byte) error {
	var value *T
	if json.Unmarshal(b, &value) == nil && value != nil {
		o.value, o.known = *value, true
	}
	return nil
}

// date is a time in one of the forms that core prints, all with a zone; null and ""
// are the zero time.
type date time.Time

var dateForms = []string{
	"2006/01/02 15:04:05 -0700", // what the API prints, in core's TIME_ZONE
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

// session makes a call about one session; l.path is relative to the session's path.
func (c *Client) session(ctx context.Context, id string, l call) error {
	u, err := uuid.Parse(id)
	if err != nil || len(id) != len(uuid.Nil.String()) {
		// Core would respond with 404 up to v3.10 and with 500 from v4 on.
		return &Error{Op: l.op, Method: l.method, Path: sessionsPath + url.PathEscape(id) + "/" + l.path,
			Kind: ErrNotFound, Err: fmt.Errorf("session id %q is not a UUID", id)}
	}
	l.path = sessionsPath + u.String() + "/" + l.path
	return c.do(ctx, l)
}

// SessionQuery selects sessions; fields that are zero select all.
type SessionQuery struct {
	IDs      []string  // only these; few enough for a request line
	From, To time.Time // only those that began in this range, both ends included
	Finished bool      // only those that have ended
	Oldest   bool      // oldest first; otherwise newest first
	Offset   int       // how many to skip
	Limit    int       // sessions per page; 0 means 100, at most 1000
}

// Core's limit is 1000 from v4.10.8 on and 10000 before. Each row can make core
// count the commands of a session, so that small pages load it less.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// SessionPage is a part of the sessions that a query selects.
type SessionPage struct {
	Count    int // of all sessions that the query selects
	Sessions []Session
	More     bool // there is a next page
}

// UnmarshalJSON parses core's envelope.
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

// Sessions returns a page of the sessions that the query selects.
func (c *Client) Sessions(ctx context.Context, q SessionQuery) (SessionPage, error) {
	v := url.Values{"offset": {strconv.Itoa(max(0, q.Offset))}}
	for name, t := range map[string]time.Time{"date_from": q.From, "date_to": q.To} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format("2006-01-02 15:04:05 -0700")) // every version parses this form; core ignores a form that it cannot parse
		}
	}
	if q.Finished {
		v.Set("is_finished", "1")
	}
	if q.Oldest {
		v.Set("order", "date_start")
	}
	if len(q.IDs) > 0 {
		v.Set("ids", strings.Join(q.IDs, ","))
	}
	v.Set("limit", strconv.Itoa(max(1, min(or(q.Limit, defaultLimit), maxLimit))))
	var p SessionPage
	err := c.do(ctx, call{op: "list sessions", method: http.MethodGet, path: sessionsPath, query: v, out: &p})
	return p, err
}

// MarkReplay tells core that the session has a replay of size bytes; 0 omits the
// size. Core before v4.10.4 ignores the size.
func (c *Client) MarkReplay(ctx context.Context, id string, size int64) error {
	in := struct {
		HasReplay bool  `json:"has_replay"`
		Size      int64 `json:"replay_size,omitempty"`
	}{true, max(0, size)}
	return c.session(ctx, id, call{op: "mark replay", method: http.MethodPatch, in: in})
}

// MarkConvertFailed tells core that the recording cannot be converted. There is no
// call that reverts this.
func (c *Client) MarkConvertFailed(ctx context.Context, id string) error {
	in := map[string]string{"error_reason": "replay_convert_failed"}
	return c.session(ctx, id, call{op: "mark conversion as failed", method: http.MethodPatch, in: in})
}
