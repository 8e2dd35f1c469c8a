package taskapi

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// Filter selects the tasks that match all of its fields; a zero field matches every task.
type Filter struct {
	States     []queue.State // any of these
	Reason     queue.Class
	From, To   time.Time // sessions that began at From or later, and before To
	User       string    // a part of the user's name; upper and lower case are the same
	Asset      string    // a part of the asset's name; upper and lower case are the same
	Text       string    // a part of id, path, user, asset, account or protocol; upper and lower case are the same
	Incomplete bool      // only tasks whose MP4 may show less than was recorded
}

// Query parameters and headers of a list, and their limits.
const (
	byState     = "state" // several, separated by commas
	byReason    = "reason"
	byDay       = "day" // YYYY-MM-DD in the agent's time zone; the same as from and to with that day
	from        = "from"
	to          = "to"
	byUser      = "user"
	byAsset     = "asset"
	byText      = "q"
	incomplete  = "incomplete"
	atMost      = "limit"
	after       = "cursor"
	format      = "format" // json or csv
	headerNext  = "Next-Cursor"
	headerTotal = "Total-Count"
	maxLimit    = 1000
	maxText     = 200 // bytes of a text to search for
)

// all reports whether the filter selects all tasks.
func (f Filter) all() bool {
	return len(f.States) == 0 && f.Reason == "" && f.From.IsZero() && f.To.IsZero() && f.User+f.Asset+f.Text == "" && !f.Incomplete
}

// Retries reports whether a retry with this filter retries a task in a state. held means
// that the task is in progress.
func (f Filter) Retries(state queue.State, held bool) bool {
	switch state {
	case queue.StateFailed, queue.StateRetrying, queue.StateSettling:
		return !held
	case queue.StateSkipped: // usually a retry would not help
		return f.Reason != "" || slices.Contains(f.States, state)
	default:
		return false
	}
}

// values returns the filter as query parameters.
func (f Filter) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	var states []string
	for _, s := range f.States {
		states = append(states, string(s))
	}
	set(byState, strings.Join(states, ","))
	set(byReason, string(f.Reason))
	if !f.From.IsZero() {
		set(from, f.From.Format(time.RFC3339))
	}
	if !f.To.IsZero() {
		set(to, f.To.Format(time.RFC3339))
	}
	set(byUser, f.User)
	set(byAsset, f.Asset)
	set(byText, f.Text)
	if f.Incomplete {
		set(incomplete, "1")
	}
	return v
}

// parseFilter is the inverse of values; it also accepts the parameter day.
func parseFilter(v url.Values) (Filter, error) {
	f := Filter{Reason: queue.Class(v.Get(byReason)), User: v.Get(byUser), Asset: v.Get(byAsset), Text: v.Get(byText)}
	for name := range strings.SplitSeq(v.Get(byState), ",") {
		switch state := queue.State(name); {
		case name == "":
		case !slices.Contains(queue.States, state):
			return f, fmt.Errorf("%s: %.40q is not a state", byState, name)
		default:
			f.States = append(f.States, state)
		}
	}
	for _, words := range []string{f.User, f.Asset, f.Text, string(f.Reason)} {
		if len(words) > maxText {
			return f, fmt.Errorf("a text to search for must not be longer than %d bytes", maxText)
		}
	}
	var err error
	if f.Incomplete, err = strconv.ParseBool(orElse(v.Get(incomplete), "0")); err != nil {
		return f, fmt.Errorf("%s: must be 1 or 0", incomplete)
	}
	f.From, f.To, err = ParsePeriod(v)
	return f, err
}

func orElse(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// ParsePeriod parses the parameters from, to and day. Each is a time in RFC 3339, or a day
// in the agent's time zone; a day in to belongs to the period. begins is the first moment
// of the period, ends the first one after it; a zero time means no limit.
func ParsePeriod(v url.Values) (begins, ends time.Time, err error) {
	if day := v.Get(byDay); day != "" {
		v = url.Values{from: {day}, to: {day}}
	}
	if begins, _, err = parseMoment(from, v.Get(from)); err != nil {
		return begins, ends, err
	}
	ends, isDay, err := parseMoment(to, v.Get(to))
	if isDay {
		ends = ends.AddDate(0, 0, 1)
	}
	if err == nil && !ends.IsZero() && !ends.After(begins) {
		err = fmt.Errorf("%s is not after %s", to, from)
	}
	return begins, ends, err
}

func parseMoment(name, text string) (t time.Time, isDay bool, err error) {
	if text == "" {
		return t, false, nil
	}
	if t, err = time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, true, nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		return t, false, fmt.Errorf("%s: %.40q is no day (YYYY-MM-DD) and no time (RFC 3339)", name, text)
	}
	return t, false, nil
}
