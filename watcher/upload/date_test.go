package upload

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDatesOfAllClients: each form of HTTP, with the zones that Go, Python and
// others write; an abbreviation may stand for several zones.
func TestDatesOfAllClients(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for date, want := range map[string]time.Duration{
		"Sat, 28 Nov 2026 12:00:00 GMT":    0,
		"Sat, 28 Nov 2026 11:59:00 UTC":    time.Minute,
		"Sat, 28 Nov 2026 12:00:00 +0000":  0,
		"Sat, 28 Nov 2026 20:00:00 +0800":  0,
		"Sat, 28 Nov 2026 09:00:00 -03":    0,
		"Sat, 28 Nov 2026 17:45:00 +0545":  0,
		"Sat, 28 Nov 2026 20:00:00 CST":    0, // China's
		"Sat, 28 Nov 2026 06:00:00 CST":    0, // Chicago's
		"Sat, 28 Nov 2026 00:00:00 XYZ":    0,
		"Sun, 29 Nov 2026 02:00:00 XYZ":    0,
		"Sun, 29 Nov 2026 03:00:00 XYZ":    time.Hour,
		"Fri, 27 Nov 2026 23:00:00 XYZ":    time.Hour,
		"Sat, 7 Nov 2026 12:00:00 GMT":     21 * 24 * time.Hour,
		"Saturday, 28-Nov-26 12:00:00 GMT": 0,
		"Sat Nov 28 12:00:00 2026":         0,
		"28 Nov 2026 12:00:00 GMT":         0,
		"2026-11-28T20:00:00+08:00":        0,
	} {
		at, err := parseDate(date)
		if err != nil || at.skew(now) != want {
			t.Errorf("%s: %v off, want %v; %v", date, at.skew(now), want, err)
		}
	}
	for _, date := range []string{"", " ", "x", "now", "GMT", "Sat, 28 Nov 2026 12:00:00", "Sat, 28 Nov 2026 12:00:00 ",
		"Sat, 28 Nov 2026 12:00:00 \x00", "Sat, 28 Nov 2026 12:00:00 GMT+8", "Sat, 28 Nov 2026 25:00:00 GMT", "1795867200", strings.Repeat("9", 5000)} {
		if at, err := parseDate(date); err == nil {
			t.Errorf("%.40q: %v", date, at)
		}
	}
}

// TestAnOldSignatureOpensNothing: a signature that was intercepted is soon invalid.
// Core is not even asked, and the response names both clocks.
func TestAnOldSignatureOpensNothing(t *testing.T) {
	off := func(by time.Duration) string { return time.Now().UTC().Add(by).Format(http.TimeFormat) }
	for date, want := range map[string]int{
		off(0): 200, off(-23 * time.Hour): 200, off(23 * time.Hour): 200,
		off(-25 * time.Hour): 401, off(25 * time.Hour): 401, off(-6 * 365 * 24 * time.Hour): 401,
		"": 401, "yesterday": 401, "Tue, 23 Apr 2024 11:40:34 CST": 401,
	} {
		w := newWorker(t)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/api/v1/users/profile/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Signature lion")
		if date != "" {
			r.Header.Set("Date", date)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %s %s", date, resp.Status, &body)
		}
		if want == 401 && w.checks > 0 {
			t.Errorf("%q: core was asked", date)
		}
		if clock := time.Now().UTC().Format("Mon, 02 Jan 2006 15"); want == 401 && strings.Contains(date, "20") &&
			(!strings.Contains(body.String(), date) || !strings.Contains(body.String(), clock)) {
			t.Errorf("%q: the answer does not have both clocks: %s", date, &body)
		}
		if want == 200 {
			continue
		}
		w.api.Auth.MaxSkew = 0 // never compared
		if account, _, err := w.api.Auth.signed(r); date != "" && (err != nil || account != "lion-id") {
			t.Errorf("%q, not compared: %s, %v", date, account, err)
		} else if date == "" && err == nil {
			t.Error("a request without a Date cannot be checked")
		}
	}
}
