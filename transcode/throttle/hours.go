package throttle

import (
	"fmt"
	"strings"
	"time"
)

// Hours is a part of the day in local time. It may include midnight. The zero value
// is the whole day.
type Hours struct {
	from, to time.Duration // since midnight, to exclusive
	set      bool
}

// Decode accepts 22:00-06:00, or nothing for the whole day.
func (h *Hours) Decode(v string) error {
	v = strings.TrimSpace(v)
	if v == "" {
		*h = Hours{}
		return nil
	}
	from, to, _ := strings.Cut(v, "-")
	a, err1 := clock(from)
	b, err2 := clock(to)
	if err1 != nil || err2 != nil || a == b {
		return fmt.Errorf("must be a part of the day such as 22:00-06:00, or empty")
	}
	*h = Hours{from: a, to: b, set: true}
	return nil
}

func clock(v string) (time.Duration, error) {
	v = strings.TrimSpace(v)
	if v == "24:00" {
		return 0, nil
	}
	t, err := time.Parse("15:04", v)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

// Contains reports whether t, in its own location, is within the hours.
func (h Hours) Contains(t time.Time) bool {
	if !h.set {
		return true
	}
	now := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	if h.from < h.to {
		return now >= h.from && now < h.to
	}
	return now >= h.from || now < h.to
}

// String returns the form that Decode accepts.
func (h Hours) String() string {
	if !h.set {
		return ""
	}
	show := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60) }
	return show(h.from) + "-" + show(h.to)
}

// Mode says what to do outside of the hours.
type Mode string

// Modes.
const (
	Trickle Mode = "trickle" // one task, a twentieth of the time
	Pause   Mode = "pause"   // nothing
)

// Decode accepts trickle and pause.
func (m *Mode) Decode(v string) error {
	switch got := Mode(strings.ToLower(strings.TrimSpace(v))); got {
	case Trickle, Pause:
		*m = got
		return nil
	default:
		return fmt.Errorf("must be trickle or pause")
	}
}
