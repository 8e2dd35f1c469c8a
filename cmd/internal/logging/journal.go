package logging

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/lmittmann/tint"
)

// journalHandler writes records to systemd's journal. The level becomes the
// priority. The message contains its attributes, as `journalctl` shows it; each
// attribute is also a field (SESSION=…) for queries.
type journalHandler struct {
	level  slog.Leveler
	steps  []func(slog.Handler) slog.Handler // WithAttrs and WithGroup, in order
	prefix string                            // of field names, from groups
	fields map[string]string                 // from WithAttrs
	send   func(message string, priority journal.Priority, fields map[string]string) error
}

func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements [slog.Handler].
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	var text bytes.Buffer
	writer := tint.NewTextHandler(&text, &tint.Options{Level: h.level, NoColor: true, ReplaceAttr: messageOnly})
	for _, step := range h.steps {
		writer = step(writer)
	}
	if err := writer.Handle(ctx, r); err != nil {
		return err
	}
	fields := make(map[string]string, len(h.fields)+r.NumAttrs()+1)
	for name, value := range h.fields {
		fields[name] = value
	}
	r.Attrs(func(a slog.Attr) bool {
		addField(fields, h.prefix, a)
		return true
	})
	fields["SYSLOG_IDENTIFIER"] = "jumpserver-video"
	return h.send(strings.TrimSpace(text.String()), priority(r.Level), fields)
}

// WithAttrs implements [slog.Handler].
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := h.then(func(w slog.Handler) slog.Handler { return w.WithAttrs(attrs) })
	next.fields = make(map[string]string, len(h.fields)+len(attrs))
	for name, value := range h.fields {
		next.fields[name] = value
	}
	for _, a := range attrs {
		addField(next.fields, h.prefix, a)
	}
	return next
}

// WithGroup implements [slog.Handler].
func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := h.then(func(w slog.Handler) slog.Handler { return w.WithGroup(name) })
	next.prefix = h.prefix + name + "_"
	return next
}

func (h *journalHandler) then(step func(slog.Handler) slog.Handler) *journalHandler {
	next := *h
	next.steps = append(slices.Clone(h.steps), step)
	return &next
}

// addField adds an attribute under a name that is valid in the journal.
func addField(fields map[string]string, prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "_"
		}
		for _, member := range value.Group() {
			addField(fields, prefix, member)
		}
		return
	}
	if name := fieldName(prefix + a.Key); name != "" {
		fields[name] = fmt.Sprint(value.Any())
	}
}

// reserved are names that have a special meaning in the journal.
var reserved = map[string]bool{"MESSAGE": true, "PRIORITY": true, "ERRNO": true, "UNIT": true}

// fieldName converts a name to capitals, digits and underscores; "" if nothing
// is left.
func fieldName(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		default:
			return '_'
		}
	}, s), "_")
	switch {
	case s == "":
		return ""
	case s[0] <= '9', reserved[s]:
		s = "JV_" + s
	}
	return s[:min(len(s), 64)]
}

func priority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	default:
		return journal.PriDebug
	}
}

// messageOnly drops what the journal stores in fields of its own, and escapes the
// rest, because journalctl prints it on terminals.
func messageOnly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return printable(groups, a)
}
