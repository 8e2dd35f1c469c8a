package devcore

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Event is a row of a session's activity log.
type Event struct {
	ID     string
	Name   string // such as replay_convert_start
	Reason string // as sent, "" when absent
	User   string // as sent, "" when absent
	By     string // name of the component that sent it
	Time   time.Time
	// Text is what the UI shows as the reason: translated if core knows the code,
	// "None" if the reason is missing, "" for events that show no reason.
	Text string
	// Garbled rows cannot be shown properly: v3.10 reads the text after ", " as
	// another argument.
	Garbled bool
}

// Events returns a session's lifecycle events in the order of their arrival, with
// all duplicates.
func (c *Core) Events(id string) []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Event(nil), c.events[strings.ToLower(id)]...)
}

// lifecycleEvents are the names that core knows; the value is true where the
// reason is shown.
var lifecycleEvents = map[string]bool{
	"asset_connect_success": false, "asset_connect_finished": true,
	"create_share_link": false, "user_join_session": false, "user_leave_session": false,
	"admin_join_monitor": false, "admin_exit_monitor": false,
	"replay_convert_start": false, "replay_convert_success": false, "replay_convert_failure": true,
	"replay_upload_start": false, "replay_upload_success": false, "replay_upload_failure": true,
}

// reasons are the codes that core translates.
var reasons = map[string]string{
	"connect_failed": "connect failed", "connect_disconnect": "connection disconnect", "user_close": "user closed",
	"idle_disconnect": "idle disconnect", "admin_terminate": "admin terminated",
	"max_session_timeout": "maximum session time has been reached", "permission_expired": "permission has expired",
	"null_storage": "storage is null",
}

// lifecycle handles POST sessions/*/lifecycle_log/: each call adds a row.
func (c *Core) lifecycle(r *call) reply {
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	e := Event{ID: uuid.NewString(), By: r.who.username, Time: c.opt.Now()}
	if e.Name, refusal = textField(fields, "event", 0, true); refusal != nil {
		return *refusal
	}
	shown, known := lifecycleEvents[e.Name]
	if !known {
		return invalid("event", choiceError(e.Name))
	}
	for name, to := range map[string]*string{"reason": &e.Reason, "user": &e.User} {
		if _, given := fields[name]; !given {
			continue
		}
		if *to, refusal = textField(fields, name, 0, true); refusal != nil {
			return *refusal
		}
	}
	s, refusal := c.session(r)
	if refusal != nil {
		return *refusal
	}
	if shown {
		e.Text = e.Reason
		if words, code := reasons[e.Reason]; code {
			e.Text = words
		}
		if e.Reason == "" {
			e.Text = "None"
		}
		if r.v.stripsCommas() {
			e.Text = strings.ReplaceAll(e.Text, ",", "")
		}
		e.Garbled = r.v.garbles() && strings.Contains(e.Text, ", ")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events[s.ID] = append(c.events[s.ID], e)
	return reply{status: http.StatusOK, body: object{"msg": "ok", "id": e.ID}}
}
