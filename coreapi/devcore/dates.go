package devcore

import (
	"net/http"
	"time"
)

// dateForm is how the API prints dates.
const dateForm = "2006/01/02 15:04:05 -0700"

// zone is the caller's, by X-TZ, or core's.
func (c *Core) zone(r *http.Request) *time.Location {
	if name := r.Header.Get("X-TZ"); name != "" {
		if l, err := time.LoadLocation(name); err == nil {
			return l
		}
	}
	return c.opt.TimeZone
}

// date prints a moment, the zero one as null.
func (c *Core) date(r *http.Request, t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(c.zone(r)).Format(dateForm)
}

// dateForms are what core reads. Fractions of seconds are read with all.
var dateForms = []string{
	dateForm,
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05-0700",
	time.RFC3339,
	"2006-01-02T15:04:05-0700",
	// Without a zone it is the caller's.
	"2006-01-02T15:04:05",
	time.DateTime,
	"2006-01-02T15:04",
	"2006-01-02 15:04",
}

// parseDate reads a moment in any form that core takes.
func (c *Core) parseDate(r *http.Request, text string) (time.Time, bool) {
	for _, form := range dateForms {
		if t, err := time.ParseInLocation(form, text, c.zone(r)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
