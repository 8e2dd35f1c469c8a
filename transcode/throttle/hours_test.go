package throttle

import (
	"testing"
	"time"
)

func TestHours(t *testing.T) {
	at := func(clock string) time.Time {
		when, err := time.ParseInLocation("15:04:05", clock, time.Local)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, tc := range []struct {
		hours   string
		in, out []string
	}{
		{"22:00-06:00", []string{"22:00:00", "23:59:59", "00:00:00", "05:59:59"}, []string{"06:00:00", "12:00:00", "21:59:59"}},
		{"8:30-17:15", []string{"08:30:00", "17:14:59"}, []string{"08:29:59", "17:15:00", "00:00:00"}},
		{"18:00-24:00", []string{"18:00:00", "23:59:59"}, []string{"00:00:00", "17:59:59"}},
		{"", []string{"00:00:00", "12:00:00"}, nil},
	} {
		var h Hours
		if err := h.Decode(tc.hours); err != nil {
			t.Fatalf("%q: %v", tc.hours, err)
		}
		for _, c := range tc.in {
			if !h.Contains(at(c)) {
				t.Errorf("%s is not in %q", c, tc.hours)
			}
		}
		for _, c := range tc.out {
			if h.Contains(at(c)) {
				t.Errorf("%s is in %q", c, tc.hours)
			}
		}
		var again Hours
		if err := again.Decode(h.String()); err != nil || again != h {
			t.Errorf("%q becomes %q: %v", tc.hours, h, err)
		}
	}
	for _, bad := range []string{"22-06", "22:00", "22:00-22:00", "22:00-06:61", "-06:00", "night", "22:00-06:00-07:00"} {
		var h Hours
		if err := h.Decode(bad); err == nil {
			t.Errorf("%q was accepted as %q", bad, h)
		}
	}
}
