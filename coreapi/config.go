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

// TerminalConfig is what core sends to a component as its settings.
type TerminalConfig struct {
	// ReplayStorage is where the component that asks must store replays. It may
	// differ from that of the component that recorded a session.
	ReplayStorage Storage
	// KeepDays is the number of days after which core deletes sessions and replays
	// (TERMINAL_SESSION_KEEP_DURATION); 0 = unknown.
	KeepDays int
}

// UnmarshalJSON parses core's form, most of which concerns other components.
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
	days, _ := strconv.Atoi(text(w.Keep)) // 0 if it is absent or not a number
	*t = TerminalConfig{ReplayStorage: Storage(*w.Replay), KeepDays: max(0, days)}
	return nil
}

// Equal reports whether both hold the same settings.
func (t TerminalConfig) Equal(o TerminalConfig) bool { return reflect.DeepEqual(t, o) }

// LogValue returns what is not secret.
func (t TerminalConfig) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("replay_storage", t.ReplayStorage), slog.Int("keep_days", t.KeepDays))
}

// TerminalConfig reads the component's settings. They contain the storage's secrets
// in clear text.
func (c *Client) TerminalConfig(ctx context.Context) (TerminalConfig, error) {
	var t TerminalConfig
	err := c.do(ctx, call{
		op: "read terminal config", method: http.MethodGet, path: "/api/v1/terminal/terminals/config/", out: &t,
	})
	return t, err
}

// NamedStorage is a replay storage that an administrator has configured.
type NamedStorage struct {
	Name string
	Type string // server, null, s3, oss …
}

// ReplayStorages lists all replay storages in core's configuration, whichever
// components use them. Core gives components the names and types, not the settings.
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

// Storage describes a replay storage with the keys that core uses, such as TYPE,
// BUCKET, ENDPOINT, ACCESS_KEY and SECRET_KEY. Which of them exist depends on the
// type; any may be null or "".
//
// It holds secrets: its printed, logged and marshalled forms have only its type and
// place. Convert it to map[string]any to read all of it.
type Storage map[string]any

// TypeServer is the type of core's own replay folder: replays are uploaded to
// core.
const TypeServer = "server"

// Type returns the kind of storage in lower case. After an administrator has
// deleted the storage, core sends {"default":{"TYPE":"server"}}, which has no TYPE
// at the top level: that means TypeServer as well.
func (s Storage) Type() string { return or(strings.ToLower(s.Get("TYPE")), TypeServer) }

// Get returns a field as text, "" if it is absent or null.
func (s Storage) Get(name string) string { return strings.TrimSpace(text(s[name])) }

// text returns a simple JSON value as text; "" for an object or null.
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

// public are the fields that are not secret.
var public = []string{
	"BUCKET", "ENDPOINT", "REGION", "CONTAINER_NAME", "ACCOUNT_NAME", "ENDPOINT_SUFFIX",
	"SFTP_HOST", "SFTP_PORT", "SFTP_USERNAME", "SFTP_ROOT_PATH",
}

// shown returns the type and the fields that are not secret.
func (s Storage) shown() map[string]string {
	m := map[string]string{"TYPE": s.Type()}
	for _, name := range public {
		if v := s.Get(name); v != "" {
			m[name] = v
		}
	}
	return m
}

// LogValue returns type and place.
func (s Storage) LogValue() slog.Value {
	m := s.shown()
	var attrs []slog.Attr
	for _, name := range slices.Sorted(maps.Keys(m)) {
		attrs = append(attrs, slog.String(strings.ToLower(name), m[name]))
	}
	return slog.GroupValue(attrs...)
}

// String returns type and place.
func (s Storage) String() string { return strings.TrimPrefix(fmt.Sprint(s.shown()), "map") }

// GoString keeps the secrets out of %#v.
func (s Storage) GoString() string { return "coreapi.Storage" + s.String() }

// MarshalJSON returns type and place; see [Storage] for how to read the rest.
func (s Storage) MarshalJSON() ([]byte, error) { return json.Marshal(s.shown()) }
