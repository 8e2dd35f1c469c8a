package upload

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// Offsets from UTC that clocks on Earth show.
const (
	westmost = -12 * time.Hour
	eastmost = 14 * time.Hour
)

// signedAt is when a request was signed, by its client's clock. Components
// write their zone's abbreviation, such as CST, which may be that of several
// zones: then it is some moment between first and last.
type signedAt struct{ first, last time.Time }

// dateForms are the forms of a Date without its zone, which is the last word.
var dateForms = []string{
	"Mon, 2 Jan 2006 15:04:05",
	"Monday, 02-Jan-06 15:04:05",
	"2 Jan 2006 15:04:05",
}

// parseDate reads a Date header in each form that HTTP has, also with other
// zones than GMT.
func parseDate(date string) (signedAt, error) {
	if t, err := time.Parse(time.ANSIC, date); err == nil {
		return signedAt{t, t}, nil
	}
	if t, err := time.Parse(time.RFC3339, date); err == nil {
		return signedAt{t, t}, nil
	}
	end := strings.LastIndexByte(date, ' ')
	if end < 0 {
		return signedAt{}, errors.New("it is no date")
	}
	for _, form := range dateForms {
		local, err := time.Parse(form, strings.TrimSpace(date[:end]))
		if err == nil {
			return inZone(local, date[end+1:])
		}
	}
	return signedAt{}, errors.New("it is no date")
}

// inZone puts the time that a clock in a zone shows into UTC.
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

// skew is the least by which the client's clock is off ours.
func (s signedAt) skew(now time.Time) time.Duration {
	switch {
	case now.Before(s.first):
		return s.first.Sub(now)
	case now.After(s.last):
		return now.Sub(s.last)
	}
	return 0
}

// fresh refuses a request that was signed long ago, or will be: core never
// compares the Date with its clock, so that a signature that somebody has seen
// would open the API for as long as its key lives.
func (a *Auth) fresh(date string) error {
	if a.MaxSkew <= 0 {
		return nil
	}
	now := a.now().UTC()
	at, err := parseDate(date)
	if err != nil {
		return refuse(http.StatusUnauthorized, "the request's Date %.100q cannot be read: %w", date, err)
	}
	if at.skew(now) > a.MaxSkew {
		return refuse(http.StatusUnauthorized,
			"the request was signed at %.100q by its clock, and it is %q by the clock here: more than %v apart (UPLOAD_MAX_SKEW); set the wrong one of the two",
			date, now.Format(http.TimeFormat), a.MaxSkew)
	}
	return nil
}
