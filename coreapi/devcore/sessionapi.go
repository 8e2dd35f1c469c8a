package devcore

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// getSession handles GET sessions/*/.
func (c *Core) getSession(r *call) reply {
	s, refusal := c.session(r)
	if refusal != nil {
		return *refusal
	}
	return ok(c.view(r, s))
}

// patchSession handles PATCH sessions/*/ and writes all fields or none.
func (c *Core) patchSession(r *call) reply {
	s, refusal := c.session(r)
	if refusal != nil {
		return *refusal
	}
	if c.opt.PostgreSQL && !r.v.since(4, 0, 0) {
		return failed()
	}
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	var edits []func(*Session)
	flag := func(name string, set func(*Session, bool)) {
		if value, given, bad := boolField(fields, name); bad != nil {
			refusal = bad
		} else if given {
			edits = append(edits, func(s *Session) { set(s, value) })
		}
	}
	flag("has_replay", func(s *Session, v bool) { s.HasReplay = v })
	flag("has_command", func(s *Session, v bool) { s.HasCommand = v })
	flag("is_finished", func(s *Session, v bool) { s.Finished = v })
	flag("is_success", func(s *Session, v bool) { s.Failed = !v })
	if raw, given := fields["date_end"]; given {
		var text *string
		switch err := json.Unmarshal(raw, &text); {
		case err == nil && text == nil: // null
			edits = append(edits, func(s *Session) { s.End = time.Time{} })
		case err == nil:
			if t, readable := c.parseDate(r.Request, *text); readable {
				edits = append(edits, func(s *Session) { s.End = t })
				break
			}
			fallthrough
		default:
			bad := invalid("date_end", "Datetime has wrong format. Use one of these formats instead: YYYY/MM/DD hh:mm:ss [+HHMM|-HHMM].")
			refusal = &bad
		}
	}
	if raw, given := fields["error_reason"]; given {
		if reason, bad := errorReason(raw, r.v); bad != nil {
			refusal = bad
		} else {
			edits = append(edits, func(s *Session) { s.ErrorReason = reason })
		}
	}
	if raw, given := fields["replay_size"]; given && r.v.hasReplaySize() {
		if size, bad := sizeField("replay_size", raw); bad != nil {
			refusal = bad
		} else {
			edits = append(edits, func(s *Session) { s.ReplaySize = size })
		}
	}
	if raw, given := fields["comment"]; given {
		var text string
		_ = json.Unmarshal(raw, &text) // null clears the field
		edits = append(edits, func(s *Session) { s.Comment = text })
	}
	if refusal != nil {
		return *refusal
	}
	c.mu.Lock()
	if row, found := c.sessions[s.ID]; found {
		for _, edit := range edits {
			edit(row)
		}
		s = *row
	}
	c.mu.Unlock()
	o := c.view(r, s)
	if !r.v.patchCountsAmount() {
		delete(o, "command_amount")
	}
	return ok(o)
}

// errorReason parses a code; once it is set, core cannot clear it.
func errorReason(raw json.RawMessage, v version) (string, *reply) {
	var value any
	_ = json.Unmarshal(raw, &value) // part of a document that was parsed already
	if value == nil {
		a := invalid("error_reason", errNull)
		return "", &a
	}
	code, _ := value.(string)
	if _, known := errorReasons[code]; !known || code == "" || code == "replay_convert_failed" && !v.hasConvertFailed() {
		a := invalid("error_reason", choiceError(value))
		return "", &a
	}
	return code, nil
}

// deleteSession handles DELETE sessions/*/. The activity log of the session
// remains.
func (c *Core) deleteSession(r *call) reply {
	s, refusal := c.session(r)
	if refusal != nil {
		return *refusal
	}
	c.RemoveSession(s.ID)
	return reply{status: http.StatusNoContent}
}

// createSession handles POST sessions/, with which components announce what they
// will record.
func (c *Core) createSession(r *call) reply {
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	var s Session
	for _, f := range []struct {
		name     string
		to       *string
		required bool
	}{
		{"id", &s.ID, false}, {"user", &s.User, true}, {"user_id", &s.UserID, false}, {"asset", &s.Asset, true},
		{"asset_id", &s.AssetID, false}, {"account", &s.Account, true}, {"account_id", &s.AccountID, false},
		{"protocol", &s.Protocol, true}, {"login_from", &s.LoginFrom, false}, {"remote_addr", &s.RemoteAddr, false},
		{"type", &s.Type, false}, {"org_id", &s.Org, false}, {"comment", &s.Comment, false},
	} {
		if *f.to, refusal = textField(fields, f.name, 0, f.required); refusal != nil {
			return *refusal
		}
	}
	if s.ID != "" {
		id, err := uuid.Parse(s.ID)
		if err != nil {
			return invalid("id", "Must be a valid UUID.")
		}
		s.ID = id.String()
	} else {
		s.ID = uuid.NewString()
	}
	if start, _ := textField(fields, "date_start", 0, false); start != "" {
		t, readable := c.parseDate(r.Request, start)
		if !readable {
			return invalid("date_start", "Datetime has wrong format.")
		}
		s.Start = t
	}
	if s.Finished, _, refusal = boolField(fields, "is_finished"); refusal != nil {
		return *refusal
	}
	success, given, refusal := boolField(fields, "is_success")
	if refusal != nil {
		return *refusal
	}
	s.Failed = given && !success
	c.mu.Lock()
	if refusal := c.nameParties(&s, r.v); refusal != nil {
		c.mu.Unlock()
		return *refusal
	}
	if _, taken := c.sessions[s.ID]; taken {
		c.mu.Unlock()
		return invalid("id", "This field must be unique.")
	}
	if r.who.component != nil {
		s.Terminal = r.who.component.name
	}
	s = *c.putSession(s)
	c.mu.Unlock()
	return reply{status: http.StatusCreated, body: c.view(r, s)}
}

// listSessions handles GET sessions/. There is no filter for has_replay, and
// unknown parameters have no effect.
func (c *Core) listSessions(r *call) reply {
	q := r.URL.Query()
	keep := []func(Session) bool{func(s Session) bool { return r.sees(s.Org) }}
	for name, field := range map[string]func(Session) string{
		"user": func(s Session) string { return s.User }, "user_id": func(s Session) string { return s.UserID },
		"asset": func(s Session) string { return s.Asset }, "asset_id": func(s Session) string { return s.AssetID },
		"account": func(s Session) string { return s.Account }, "remote_addr": func(s Session) string { return s.RemoteAddr },
		"protocol": func(s Session) string { return s.Protocol }, "login_from": func(s Session) string { return s.LoginFrom },
	} {
		if want := q.Get(name); want != "" {
			keep = append(keep, func(s Session) bool { return strings.EqualFold(field(s), want) })
		}
	}
	switch strings.ToLower(q.Get("is_finished")) {
	case "1", "true":
		keep = append(keep, func(s Session) bool { return s.Finished })
	case "0", "false":
		keep = append(keep, func(s Session) bool { return !s.Finished })
	}
	if want := q.Get("ids"); want != "" {
		ids := strings.Split(strings.ToLower(want), ",")
		keep = append(keep, func(s Session) bool { return slices.Contains(ids, s.ID) })
	}
	if want := q.Get("terminal"); want != "" {
		name := c.terminalName(want)
		keep = append(keep, func(s Session) bool { return s.Terminal == name })
	}
	if t, given := c.parseDate(r.Request, q.Get("date_from")); given {
		keep = append(keep, func(s Session) bool { return !s.Start.Before(t) })
	}
	if t, given := c.parseDate(r.Request, q.Get("date_to")); given {
		keep = append(keep, func(s Session) bool { return !s.Start.After(t) })
	}

	c.mu.Lock()
	var found []Session
	for _, s := range c.sessions {
		if !slices.ContainsFunc(keep, func(k func(Session) bool) bool { return !k(*s) }) {
			found = append(found, *s)
		}
	}
	c.mu.Unlock()
	slices.SortFunc(found, byColumns(q.Get("order"), r.v))
	rows := make([]object, len(found))
	for i, s := range found {
		rows[i] = c.view(r, s)
	}
	return page(r, rows)
}

// terminalName returns the name of the component with an id; names are returned
// unchanged.
func (c *Core) terminalName(idOrName string) string {
	if uuid.Validate(idOrName) != nil {
		return idOrName
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.components {
		if strings.EqualFold(p.id, idOrName) {
			return p.name
		}
	}
	return ""
}
