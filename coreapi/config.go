package coreapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// TerminalConfig is what core tells a component about its settings.
type TerminalConfig struct {
	// ReplayStorage is where this component is told to store replays: the
	// calling one, not the one that recorded a session.
	ReplayStorage Storage
	// KeepDays is after how many days core deletes sessions and replays
	// (TERMINAL_SESSION_KEEP_DURATION); 0 = not said.
	KeepDays int
}

// UnmarshalJSON reads core's form, of which most concerns other components.
func (t *TerminalConfig) UnmarshalJSON(b []byte) error {
	var w struct {
		Replay *map[string]any `json:"TERMINAL_REPLAY_STORAGE"`
		Keep   any             `json:"TERMINAL_SESSION_KEEP_DURATION"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if w.Replay == nil {
		return errors.New("terminal config without TERMINAL_REPLAY_STORAGE")
	}
	days, _ := strconv.Atoi(text(w.Keep)) // 0 when absent or odd
	*t = TerminalConfig{ReplayStorage: Storage(*w.Replay), KeepDays: max(0, days)}
	return nil
}

// Equal tells whether both say the same.
func (t TerminalConfig) Equal(o TerminalConfig) bool { return reflect.DeepEqual(t, o) }

// LogValue shows what is not secret.
func (t TerminalConfig) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("replay_storage", t.ReplayStorage), slog.Int("keep_days", t.KeepDays))
}

// TerminalConfig reads the component's settings. The storage's secrets are in
// it in clear text.
func (c *Client) TerminalConfig(ctx context.Context) (TerminalConfig, error) {
	var t TerminalConfig
	err := c.do(ctx, call{
		op: "read terminal config", method: http.MethodGet, path: "/api/v1/terminal/terminals/config/", out: &t,
	})
	return t, err
}

// NamedStorage is a replay storage as an administrator has set it up.
type NamedStorage struct {
	Name string
	Type string // server, null, s3, oss …
}

// ReplayStorages lists the replay storages that core is set up with, whichever
// components use them. Core tells components their names and types, and no
// settings.
func (c *Client) ReplayStorages(ctx context.Context) ([]NamedStorage, error) {
	var page struct {
		Results []struct {
			Name string `json:"name"`
			Type any    `json:"type"` // a name, or an object with it as value
		} `json:"results"`
	}
	err := c.do(ctx, call{
		op: "list replay storages", method: http.MethodGet, path: "/api/v1/terminal/replay-storages/",
		query: url.Values{"limit": {"100"}, "offset": {"0"}}, out: &page,
	})
	var all []NamedStorage
	for _, s := range page.Results {
		if labelled, ok := s.Type.(map[string]any); ok {
			s.Type = labelled["value"]
		}
		kind, _ := s.Type.(string)
		all = append(all, NamedStorage{Name: s.Name, Type: strings.ToLower(kind)})
	}
	return all, err
}

// Storage describes a replay storage with the very keys that core hands out,
// such as TYPE, BUCKET, ENDPOINT, ACCESS_KEY and SECRET_KEY; which ones depends
// on the type, and any may be null or "".
//
// It holds secrets: printed, logged or marshalled it shows names and places
// only. Convert it to map[string]any to get at everything.
type Storage map[string]any

// TypeServer is the type of core's own replay folder: replays are uploaded to
// core.
const TypeServer = "server"

// Type returns the kind of storage in lower case. When an administrator deleted
// the storage, core hands out {"default":{"TYPE":"server"}}, without a TYPE of
// its own: that is the server too.
func (s Storage) Type() string { return or(strings.ToLower(s.Get("TYPE")), TypeServer) }

// Get returns a field as text, "" when it is absent or null.
func (s Storage) Get(name string) string { return strings.TrimSpace(text(s[name])) }

// text renders a plain JSON value; an object or null is "".
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool, int:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

// public are the fields that may be shown.
var public = []string{
	"BUCKET", "ENDPOINT", "REGION", "CONTAINER_NAME", "ACCOUNT_NAME", "ENDPOINT_SUFFIX",
	"SFTP_HOST", "SFTP_PORT", "SFTP_USERNAME", "SFTP_ROOT_PATH",
}

// shown returns the type and the fields that may be shown.
func (s Storage) shown() map[string]string {
	m := map[string]string{"TYPE": s.Type()}
	for _, name := range public {
		if v := s.Get(name); v != "" {
			m[name] = v
		}
	}
	return m
}

// LogValue shows type and place.
func (s Storage) LogValue() slog.Value {
	m := s.shown()
	var attrs []slog.Attr
	for _, name := range slices.Sorted(maps.Keys(m)) {
		attrs = append(attrs, slog.String(strings.ToLower(name), m[name]))
	}
	return slog.GroupValue(attrs...)
}

// String shows type and place.
func (s Storage) String() string { return strings.TrimPrefix(fmt.Sprint(s.shown()), "map") }

// GoString keeps the secrets out of %#v.
func (s Storage) GoString() string { return "coreapi.Storage" + s.String() }

// MarshalJSON shows type and place; see [Storage] for the whole.
func (s Storage) MarshalJSON() ([]byte, error) { return json.Marshal(s.shown()) }
