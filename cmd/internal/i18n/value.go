package i18n

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// Bytes is a size.
type Bytes int64

// MarshalJSON includes the kind of the value, for the page.
func (b Bytes) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]int64{"bytes": int64(b)})
}

// Seconds is a duration.
type Seconds float64

// MarshalJSON includes the kind of the value, for the page.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]float64{"seconds": float64(s)})
}

// Moment is a point in time.
type Moment time.Time

// MarshalJSON includes the kind of the value, for the page.
func (m Moment) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]time.Time{"time": time.Time(m).UTC()})
}

// value formats the value of a placeholder.
func (l Lang) value(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Text:
		return l.Say(v)
	case Bytes:
		return l.Bytes(int64(v))
	case Seconds:
		return l.Span(float64(v))
	case Moment:
		return l.Time(time.Time(v))
	case int, int64:
		n, _ := asInt(v)
		return l.Number(n)
	case float64:
		return l.decimal(v, 1)
	default:
		return fmt.Sprint(v)
	}
}

func (l Lang) printer() *message.Printer { return message.NewPrinter(language.Make(string(l))) }

// Number formats a count.
func (l Lang) Number(n int64) string { return l.printer().Sprint(number.Decimal(n)) }

func (l Lang) decimal(v float64, digits int) string {
	return l.printer().Sprint(number.Decimal(v, number.MaxFractionDigits(digits)))
}

// Percent formats a percentage from 0 to 100.
func (l Lang) Percent(p float64) string {
	return l.printer().Sprint(number.Percent(math.Round(p) / 100))
}

// Bytes formats a size with three digits: 1 MB is 1 000 000 bytes.
func (l Lang) Bytes(n int64) string {
	v, unit := float64(n), 0
	units := []string{"unit.byte", "unit.kilobyte", "unit.megabyte", "unit.gigabyte", "unit.terabyte", "unit.petabyte"}
	for math.Abs(v) >= 999.5 && unit < len(units)-1 {
		v, unit = v/1000, unit+1
	}
	digits := 2
	switch {
	case unit == 0 || math.Abs(v) >= 99.95:
		digits = 0
	case math.Abs(v) >= 9.995:
		digits = 1
	}
	return l.T(units[unit], "value", l.decimal(v, digits))
}

// Span formats a duration in seconds, with at most two units.
func (l Lang) Span(seconds float64) string {
	s := int64(math.Round(seconds))
	units := []struct {
		key string
		of  int64
	}{{"unit.day", 86400}, {"unit.hour", 3600}, {"unit.minute", 60}, {"unit.second", 1}}
	for i, u := range units {
		if s < u.of && u.of > 1 {
			continue
		}
		text := l.T(u.key, "value", l.Number(s/u.of))
		if i+1 < len(units) {
			if rest := s % u.of / units[i+1].of; rest > 0 {
				text += l.T("unit.between") + l.T(units[i+1].key, "value", l.Number(rest))
			}
		}
		return text
	}
	return ""
}

// Time formats a time as local time, to the second.
func (l Lang) Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if l == Russian {
		return t.Local().Format("02.01.2006 15:04:05")
	}
	return t.Local().Format(time.DateTime)
}
