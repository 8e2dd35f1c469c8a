package devcore

import (
	"net/http"
	"time"
)

// dateForm is how the API prints dates.
const dateForm = "2006/01/02 15:04:05 -0700"

// zone returns the caller's time zone from X-TZ, or else core's.
func (c *Core) zone(r *http.Request) *time.Location {
	if name := r.Header.Get("X-TZ"); name != "" {
		if l, err := time.LoadLocation(name); err == nil {
			return l
		}
	}
	return c.opt.TimeZone
}

// date prints a time; the zero time becomes null.
func (c *Core) date(r *http.Request, t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(c.zone(r)).Format(dateForm)
}

// dateForms are the forms that core parses, each also with fractions of seconds.
var dateForms = []string{
	dateForm,
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05-0700",
	time.RFC3339,
	"2006-01-02T15:04:05-0700",
	// Without a zone, the caller's zone applies.
	"2006-01-02T15:04:05",
	time.DateTime,
	"2006-01-02T15:04",
	"2006-01-02 15:04",
}

// parseDate parses a time in any form that core accepts.
func (c *Core) parseDate(r *http.Request, text string) (time.Time, bool) {
	for _, form := range dateForms {
		if t, err := time.ParseInLocation(form, text, c.zone(r)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// isoDate prints a time in UTC; the zero time becomes null.
func isoDate(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
