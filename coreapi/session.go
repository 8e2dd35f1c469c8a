package coreapi

import (
	"bytes"
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

// Session is one recorded connection of a user to an asset, as core knows it.
type Session struct {
	ID                 string // lower-case UUID
	User, UserID       string // "Name(username)"
	Asset, AssetID     string // "name(address)"
	Account, AccountID string
	Protocol           string // of the asset, which for remote applications is not rdp
	RemoteAddr         string
	Type               string // normal, tunnel, command, sftp
	LoginFrom          string // WT, RT, ST, DT …
	ErrorReason        string // "" or a code such as replay_convert_failed
	IsSuccess          bool
	IsFinished         bool
	HasReplay          bool
	DateStart          time.Time
	DateEnd            time.Time // zero while the session lasts
	ReplaySize         int64     // bytes; 0 on cores before v4.10.4
	Terminal           Terminal  // the component that recorded it; zero if deleted
	OrgID, OrgName     string
}

// Terminal is a component of JumpServer.
type Terminal struct {
	ID   string `json:"id"`
	Name string `json:"name"`
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
		ID          string    `json:"id"`
		User        string    `json:"user"`
		UserID      string    `json:"user_id"`
		Asset       string    `json:"asset"`
		AssetID     string    `json:"asset_id"`
		Account     string    `json:"account"`
		AccountID   string    `json:"account_id"`
		Protocol    string    `json:"protocol"`
		RemoteAddr  string    `json:"remote_addr"`
		Type        choice    `json:"type"`
		LoginFrom   choice    `json:"login_from"`
		ErrorReason choice    `json:"error_reason"`
		IsSuccess   bool      `json:"is_success"`
		IsFinished  bool      `json:"is_finished"`
		HasReplay   bool      `json:"has_replay"`
		DateStart   date      `json:"date_start"`
		DateEnd     date      `json:"date_end"`
		ReplaySize  int64     `json:"replay_size"`
		Terminal    *Terminal `json:"terminal"`
		OrgID       string    `json:"org_id"`
		OrgName     string    `json:"org_name"`
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
	if w.Terminal == nil {
		w.Terminal = &Terminal{}
	}
	*s = Session{
		ID: w.ID, User: w.User, UserID: w.UserID, Asset: w.Asset, AssetID: w.AssetID,
		Account: w.Account, AccountID: w.AccountID, Protocol: w.Protocol, RemoteAddr: w.RemoteAddr,
		Type: string(w.Type), LoginFrom: string(w.LoginFrom), ErrorReason: string(w.ErrorReason),
		IsSuccess: w.IsSuccess, IsFinished: w.IsFinished, HasReplay: w.HasReplay,
		DateStart: time.Time(w.DateStart), DateEnd: time.Time(w.DateEnd),
		ReplaySize: w.ReplaySize, Terminal: *w.Terminal, OrgID: w.OrgID, OrgName: w.OrgName,
	}
	return nil
}

// choice is an enumerated field: {"value":…,"label":…}, in places a plain
// string, or null.
type choice string

func (c *choice) UnmarshalJSON(b []byte) error {
	var w struct {
		Value *string `json:"value"`
	}
	if bytes.HasPrefix(b, []byte("{")) {
		if err := json.Unmarshal(b, &w); err != nil {
			return err
		}
	} else if err := json.Unmarshal(b, &w.Value); err != nil {
		return err
	}
	*c = ""
	if w.Value != nil {
		*c = choice(*w.Value)
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

// SessionQuery selects sessions; zero fields do not restrict. Core has no
// filter for has_replay.
type SessionQuery struct {
	IDs          []string // these only; few enough for a request line
	FinishedOnly bool
	Terminal     string    // id or name of the recording component
	Protocol     string    // exact
	From, To     time.Time // bounds of DateStart, inclusive; set To while paging
	Order        string    // a column, such as "date_start"; "-" before it descends; default newest first
	Limit        int       // sessions a page; 0 stands for 100, at most 1000
	Offset       int       // sessions to pass over
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

// Sessions returns one page of sessions.
func (c *Client) Sessions(ctx context.Context, q SessionQuery) (SessionPage, error) {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.FinishedOnly {
		v.Set("is_finished", "1")
	}
	set("ids", strings.Join(q.IDs, ","))
	set("terminal", q.Terminal)
	set("protocol", q.Protocol)
	set("order", q.Order)
	for name, t := range map[string]time.Time{"date_from": q.From, "date_to": q.To} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	v.Set("limit", strconv.Itoa(max(1, min(or(q.Limit, defaultLimit), maxLimit))))
	v.Set("offset", strconv.Itoa(max(0, q.Offset)))
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
