package upload

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// The range of offsets from UTC in use.
const (
	westmost = -12 * time.Hour
	eastmost = 14 * time.Hour
)

// signedAt is when a request was signed, on its client's clock. Components send the
// abbreviation of their zone, such as CST, which may stand for several zones: the
// time is then between first and last.
type signedAt struct{ first, last time.Time }

// dateForms are the forms of a Date without its zone, which is the last word.
var dateForms = []string{
	"Mon, 2 Jan 2006 15:04:05",
	"Monday, 02-Jan-06 15:04:05",
	"2 Jan 2006 15:04:05",
}

// parseDate parses a Date header in each form of HTTP, also with zones other than
// GMT.
func parseDate(date string) (signedAt, error) {
	if t, err := time.Parse(time.ANSIC, date); err == nil {
		return signedAt{t, t}, nil
	}
	if t, err := time.Parse(time.RFC3339, date); err == nil {
		return signedAt{t, t}, nil
	}
	end := strings.LastIndexByte(date, ' ')
	if end < 0 {
		return signedAt{}, errors.New("it is not a date")
	}
	for _, form := range dateForms {
		local, err := time.Parse(form, strings.TrimSpace(date[:end]))
		if err == nil {
			return inZone(local, date[end+1:])
		}
	}
	return signedAt{}, errors.New("it is not a date")
}

// inZone converts a local time in a zone to UTC.
func inZone(local time.Time, zone string) (signedAt, error) {
	switch zone {
	case "GMT", "UTC", "UT", "Z":
		return signedAt{local, local}, nil
	}
	for _, form := range []string{"-0700", "-07:00", "-07"} {
		if t, err := time.Parse(form, zone); err == nil {
			_, offset := t.Zone()
			at := local.Add(-time.Duration(offset) * time.Second)
			return signedAt{at, at}, nil
		}
	}
	if zone == "" || len(zone) > 6 || strings.ContainsFunc(zone, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') }) {
		return signedAt{}, errors.New("its zone is unknown")
	}
	return signedAt{local.Add(-eastmost), local.Add(-westmost)}, nil
}

// skew returns the minimum difference between the client's clock and ours.
func (s signedAt) skew(now time.Time) time.Duration {
	switch {
	case now.Before(s.first):
		return s.first.Sub(now)
	case now.After(s.last):
		return now.Sub(s.last)
	}
	return 0
}

// fresh refuses a request whose Date is too far in the past or future. Core never
// compares the Date with its clock, so without this check, a signature that someone
// has intercepted would give access for as long as its key is valid.
func (a *Auth) fresh(date string) error {
	if a.MaxSkew <= 0 {
		return nil
	}
	now := a.now().UTC()
	at, err := parseDate(date)
	if err != nil {
		return refuse(http.StatusUnauthorized, "the request's Date %.100q cannot be parsed: %w", date, err)
	}
	if at.skew(now) > a.MaxSkew {
		return refuse(http.StatusUnauthorized,
			"the request was signed at %.100q on the client's clock, but the clock of this host says %q: they differ by more than %v (UPLOAD_MAX_SKEW); correct the wrong clock",
			date, now.Format(http.TimeFormat), a.MaxSkew)
	}
	return nil
}
