package devcore

import (
	"fmt"
	"maps"

	"github.com/google/uuid"
)

// SetReplayStorage changes what the terminal config tells a component about
// its replay storage. With name "" it is the storage marked as default, which
// components get that register from now on.
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

// terminalConfig answers GET terminals/config/: the calling component's
// settings, with the secrets of its storages.
func (c *Core) terminalConfig(r *call) reply {
	p := r.who.component
	if p == nil {
		return failed() // an account without terminal: core's code raises
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

// secretFields are left out of the list of storages.
var secretFields = []string{
	"ACCESS_KEY", "SECRET_KEY", "ACCOUNT_KEY", "SFTP_PASSWORD", "STP_PRIVATE_KEY", "STP_PASSPHRASE",
}

// listStorages answers GET replay-storages/, which hides secrets.
func (c *Core) listStorages(r *call) reply {
	rows := []object{}
	row := func(name, kind string, meta map[string]any, standard bool) {
		meta = maps.Clone(meta)
		for _, f := range secretFields {
			delete(meta, f)
		}
		delete(meta, "TYPE")
		rows = append(rows, object{
			"id": uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String(), "name": name, "type": labelled(kind, kind),
			"meta": meta, "is_default": standard, "comment": "",
		})
	}
	row("default", "server", map[string]any{}, true)
	row("null", "null", map[string]any{}, false)
	for _, s := range c.opt.External {
		kind, _ := s.Config["TYPE"].(string)
		if kind == "" {
			kind = "s3"
		}
		row(s.Name, kind, s.Config, false)
	}
	return page(r, rows)
}
