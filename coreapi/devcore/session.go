package devcore

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Session is a row of core's session table.
type Session struct {
	ID      string // UUID; "" = chosen by core
	Org     string // organization id; "" = the default one
	OrgName string

	User, UserID       string // "Lee(lee)"
	Asset, AssetID     string // "win-07(10.3.4.7)"
	Account, AccountID string // "ops(ops)"
	Protocol           string // "" = ssh
	Type               string // "" = normal
	LoginFrom          string // "" = WT
	RemoteAddr         string
	Comment            string

	// TerminalType and Terminal are type and name of the component that recorded
	// it. A name without a type is that of a registered component. Without both,
	// core no longer knows the component (null).
	TerminalType, Terminal string
	// Storage names the External that the recording component stores to; from
	// v4.10.17 on, lookups search it first.
	Storage string

	Start, End  time.Time // End is zero while the session lasts
	Finished    bool
	Failed      bool // the opposite of is_success
	HasReplay   bool
	ReplaySize  int64
	ErrorReason string
	HasCommand  bool
}

// AddSession adds a session, or replaces the one with that id.
func (c *Core) AddSession(s Session) {
	if s.ID == "" {
		s.ID = uuid.NewString()
	}
	s.ID = strings.ToLower(s.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putSession(s)
}

// putSession fills in the fields that every row has. The caller must hold the lock.
func (c *Core) putSession(s Session) *Session {
	defaults := []struct {
		field *string
		value string
	}{
		{&s.Org, orgDefault}, {&s.Protocol, "ssh"}, {&s.Type, "normal"}, {&s.LoginFrom, "WT"},
	}
	for _, d := range defaults {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if s.OrgName == "" && s.Org == orgDefault {
		s.OrgName = "DEFAULT"
	}
	if s.Start.IsZero() {
		s.Start = c.opt.Now()
	}
	if s.Terminal == "" && s.TerminalType != "" {
		s.Terminal = fmt.Sprintf("[%s]-recorder", strings.ToUpper(s.TerminalType[:1])+s.TerminalType[1:])
	}
	if s.Terminal != "" {
		s.TerminalType = c.recorderNamed(s.Terminal, s.TerminalType).kind
	}
	c.sessions[s.ID] = &s
	return &s
}

// RemoveSession deletes a session, as core does with an expired one. Its files
// remain.
func (c *Core) RemoveSession(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, strings.ToLower(id))
}

// Session returns the present state of the session.
func (c *Core) Session(id string) (Session, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, found := c.sessions[strings.ToLower(id)]
	if !found {
		return Session{}, false
	}
	return *s, true
}

// session returns the session that the call names, if the call's organization can
// see it.
func (c *Core) session(r *call) (Session, *reply) {
	id, err := uuid.Parse(r.arg)
	if err != nil {
		a := failed()
		if r.v.badIDStatus() == http.StatusNotFound {
			a = missing("Session")
		}
		return Session{}, &a
	}
	s, found := c.Session(id.String())
	if !found || !r.sees(s.Org) {
		a := missing("Session")
		return Session{}, &a
	}
	return s, nil
}

// strictSession is like session, for URLs that match only lower-case UUIDs.
func (c *Core) strictSession(r *call) (Session, *reply) {
	if id, err := uuid.Parse(r.arg); err != nil || id.String() != r.arg {
		a := unrouted()
		return Session{}, &a
	}
	return c.session(r)
}

// dateDir returns the folder of the session's files: the day of its start in UTC.
func (s Session) dateDir() string { return s.Start.UTC().Format(time.DateOnly) }

// graphical reports whether core treats the session's .replay.gz as a Guacamole
// recording.
func (s Session) graphical() bool {
	switch s.TerminalType {
	case "lion", "guacamole", "razor", "xrdp":
		return true
	}
	return s.Protocol == "rdp" || s.Protocol == "vnc"
}

var loginNames = map[string]string{"ST": "SSH Terminal", "RT": "RDP Terminal", "WT": "Web Terminal", "DT": "DB Terminal", "VT": "VNC Terminal"}

// errorReasons are the codes with their labels.
var errorReasons = map[string]string{
	"":                      "",
	"connect_failed":        "Connect failed",
	"replay_create_failed":  "Replay create failed",
	"replay_upload_failed":  "Replay upload failed",
	"replay_convert_failed": "Replay convert failed",
	"replay_unsupported":    "Replay unsupported",
}

// view returns core's form of a session.
func (c *Core) view(r *call, s Session) object {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := s.End
	if end.IsZero() {
		end = c.opt.Now()
	}
	o := object{
		"id": s.ID, "user": s.User, "user_id": s.UserID, "asset": s.Asset, "asset_id": s.AssetID,
		"account": s.Account, "account_id": s.AccountID, "protocol": s.Protocol,
		"type": labelled(s.Type, strings.ToUpper(s.Type[:1])+s.Type[1:]), "login_from": labelled(s.LoginFrom, loginNames[s.LoginFrom]),
		"remote_addr": s.RemoteAddr, "is_success": !s.Failed, "is_finished": s.Finished,
		"has_replay": s.HasReplay, "has_command": s.HasCommand,
		"date_start": c.date(r.Request, s.Start), "date_end": c.date(r.Request, s.End), "duration": duration(end.Sub(s.Start)),
		"comment": nil, "terminal_display": s.Terminal, "is_locked": false, "command_amount": 0,
		"error_reason": labelled(s.ErrorReason, errorReasons[s.ErrorReason]), "terminal": nil,
		"can_replay": s.HasReplay, "can_join": !s.Finished && s.Type == "normal", "can_terminate": !s.Finished,
		"org_id": s.Org, "org_name": s.OrgName,
	}
	if s.Comment != "" {
		o["comment"] = s.Comment
	}
	if r.v.hasReplaySize() {
		o["replay_size"] = s.ReplaySize
	}
	if p := c.componentNamed(s.Terminal); p != nil {
		o["terminal"] = object{"id": p.id, "name": p.name, "type": p.kind}
	}
	return o
}

// duration prints whole seconds as Python does.
func duration(d time.Duration) string {
	d = max(0, d.Truncate(time.Second))
	days := int(d / (24 * time.Hour))
	d %= 24 * time.Hour
	text := fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	switch days {
	case 0:
		return text
	case 1:
		return "1 day, " + text
	}
	return fmt.Sprintf("%d days, %s", days, text)
}
