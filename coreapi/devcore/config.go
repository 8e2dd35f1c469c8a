package devcore

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// SetReplayStorage changes the replay storage in a component's terminal config. If
// name is "", it changes the default, which components get that register from now
// on.
func (c *Core) SetReplayStorage(name string, storage map[string]any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name == "" {
		c.storage = storage
		return nil
	}
	p := c.componentNamed(name)
	if p == nil {
		return fmt.Errorf("no component is called %q", name)
	}
	p.storage = storage
	return nil
}

// terminalConfig handles GET terminals/config/: it returns the calling component's
// settings, with the secrets of its storages.
func (c *Core) terminalConfig(r *call) reply {
	p := r.who.component
	if p == nil {
		return failed() // for an account without a terminal, core's code raises an exception
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	settings := object{
		"TERMINAL_ASSET_LIST_PAGE_SIZE":  "auto",
		"TERMINAL_ASSET_LIST_SORT_BY":    "name",
		"TERMINAL_PASSWORD_AUTH":         true,
		"TERMINAL_PUBLIC_KEY_AUTH":       true,
		"TERMINAL_HEARTBEAT_INTERVAL":    20,
		"TERMINAL_SESSION_KEEP_DURATION": c.opt.KeepDays,
		"TERMINAL_COMMAND_STORAGE":       object{"TYPE": "server"},
		"TERMINAL_REPLAY_STORAGE":        p.storage,
		"SECURITY_MAX_IDLE_TIME":         30,
		"SECURITY_MAX_SESSION_TIME":      24,
		"FTP_FILE_MAX_STORE":             0,
	}
	if r.v.since(4, 0, 0) {
		settings["XPACK_LICENSE_IS_VALID"] = false
	}
	return ok(settings)
}

// store is a replay storage that was created through the API.
type store struct {
	id, name, kind string
	meta           map[string]any
}

// stored returns all configured replay storages. The caller must hold the lock.
func (c *Core) stored() []store {
	idOf := func(name string) string { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String() }
	all := []store{{idOf("default"), "default", "server", nil}, {idOf("null"), "null", "null", nil}}
	for _, s := range c.opt.External {
		kind, _ := s.Config["TYPE"].(string)
		if kind == "" {
			kind = "s3"
		}
		meta := maps.Clone(s.Config)
		delete(meta, "TYPE")
		all = append(all, store{idOf(s.Name), s.Name, kind, meta})
	}
	return append(all, c.stores...)
}

func (s store) view(meta map[string]any) object {
	if meta == nil {
		meta = map[string]any{}
	}
	return object{"id": s.id, "name": s.name, "type": labelled(s.kind, s.kind), "meta": meta, "is_default": s.name == "default", "comment": ""}
}

// listStorages handles GET replay-storages/, which returns only names and kinds.
func (c *Core) listStorages(r *call) reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := []object{}
	for _, s := range c.stored() {
		rows = append(rows, s.view(nil))
	}
	return page(r, rows)
}

// getStorage handles GET replay-storages/*/, which returns all settings, including
// keys.
func (c *Core) getStorage(r *call) reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.stored() {
		if s.id == r.arg {
			return ok(s.view(s.meta))
		}
	}
	return missing("ReplayStorage")
}

// createStorage handles POST replay-storages/. Which fields of meta are accepted
// depends on the query parameter "type"; without it, core drops meta silently.
func (c *Core) createStorage(r *call) reply {
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	s := store{id: uuid.NewString()}
	for name, to := range map[string]*string{"name": &s.name, "type": &s.kind} {
		if *to, refusal = textField(fields, name, 0, true); refusal != nil {
			return *refusal
		}
	}
	if r.URL.Query().Get("type") == s.kind {
		_ = json.Unmarshal(fields["meta"], &s.meta) // a missing or invalid meta has no effect
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stores = append(c.stores, s)
	return reply{status: http.StatusCreated, body: s.view(s.meta)}
}

// patchComponent handles PATCH terminals/*/, with which an administrator chooses a
// component's replay storage by name.
func (c *Core) patchComponent(r *call) reply {
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	name, refusal := textField(fields, "replay_storage", 0, true)
	if refusal != nil {
		return *refusal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.stored()
	at := slices.IndexFunc(all, func(s store) bool { return s.name == name })
	if at < 0 {
		return invalid("replay_storage", choiceError(name))
	}
	for _, p := range c.components {
		if p.id == r.arg && !p.deleted {
			p.storage = map[string]any{"TYPE": all[at].kind}
			maps.Copy(p.storage, all[at].meta)
			return ok(object{"id": p.id, "name": p.name, "replay_storage": name})
		}
	}
	return missing("Terminal")
}

// patchSettings handles PATCH settings/setting/?category=terminal. It knows only
// the one setting that affects components.
func (c *Core) patchSettings(r *call) reply {
	const name = "SECURITY_SERVICE_ACCOUNT_REGISTRATION"
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	modes := map[string]RegistrationMode{"true": RegistrationOn, "false": RegistrationOff, `"auto"`: RegistrationAuto}
	mode, known := modes[string(fields[name])]
	if !known {
		return invalid(name, choiceError(strings.Trim(string(fields[name]), `"`)))
	}
	c.SetRegistration(mode)
	return ok(object{name: fields[name]})
}

// SetDeploying sets whether core is deploying an applet host; while it is,
// registration in the automatic mode is open.
func (c *Core) SetDeploying(deploying bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deploying = deploying
}
