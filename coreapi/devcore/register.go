package devcore

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// kinds are the types of components that core knows.
var kinds = []string{
	"koko", "guacamole", "omnidb", "xrdp", "lion", "core", "celery", "magnus", "razor", "tinker",
	"video_worker", "chen", "kael", "panda", "nec",
}

// registrationOpen reports whether components can register now.
func (c *Core) registrationOpen(v version) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.mode {
	case RegistrationOn:
		return true
	case RegistrationOff:
		return false
	default:
		return !v.windowed() || c.deploying || c.opt.Now().Sub(c.started) <= registrationWindow
	}
}

// register handles POST terminal-registrations/: it creates a component with its
// service account and access key.
func (c *Core) register(r *call) reply {
	words := strings.Fields(r.Header.Get("Authorization"))
	if c.opt.BootstrapToken == "" || len(words) == 0 || words[len(words)-1] != c.opt.BootstrapToken {
		return stranger(r.v) // the scheme of the header does not matter
	}
	if !c.registrationOpen(r.v) {
		if r.v.windowed() {
			return stranger(r.v)
		}
		return reply{status: http.StatusBadRequest, body: object{"error": "service account registration disabled"}}
	}
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	name, refusal := textField(fields, "name", 1024, true)
	if refusal != nil {
		return *refusal
	}
	kind, refusal := textField(fields, "type", 0, false)
	switch {
	case refusal != nil:
		return *refusal
	case kind == "":
		kind = "koko"
	case !slices.Contains(kinds, kind):
		return invalid("type", choiceError(kind))
	}
	comment, refusal := textField(fields, "comment", 0, false)
	if refusal != nil {
		return *refusal
	}
	if utf8.RuneCountInString(name) > 128 {
		comment = name
	}
	name = cutMiddle(name, 128)

	c.mu.Lock()
	defer c.mu.Unlock()
	a := &account{username: name, name: name, email: cutMiddle(name, 115) + "@local.domain", service: true}
	if c.componentNamed(name) != nil || !c.addAccount(a) {
		if r.v.speaksChinese() && r.Header.Get("Accept-Language") == "" {
			return invalid("name", "名称重复")
		}
		return invalid("name", "name not unique")
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a.component = &component{
		id: uuid.NewString(), name: name, kind: kind, comment: comment, remoteAddr: host,
		created: c.opt.Now(), account: a, storage: c.storage,
	}
	c.components = append(c.components, a.component)
	return reply{status: http.StatusCreated, body: object{
		"name": name, "type": kind, "comment": comment, "remote_addr": host,
		"service_account": object{
			"id": a.id, "name": a.name, "comment": comment,
			"access_key": object{
				"id": a.keyID, "secret": a.secret, "is_active": true, "ip_group": a.ipGroup,
				"date_created": c.date(r.Request, a.keyCreated), "date_last_used": nil,
			},
		},
	}}
}
