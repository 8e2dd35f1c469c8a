package upload

import (
	"net/http"
	"testing"
)

// TestNothingIsRedirectedAndEverythingIsJSON: clients decode every response, and
// after a redirect they would send nothing.
func TestNothingIsRedirectedAndEverythingIsJSON(t *testing.T) {
	w := newWorker(t)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/api/v1/users/profile/", 200}, {"GET", "/api/v1/users/profile", 200}, {"GET", "//api//v1/users/profile/", 200},
		{"POST", "/api/v1/users/profile/", 405}, {"GET", "/api/v2/replay/sessions/" + session + "/task/", 405},
		{"GET", "/ws/events/", 426}, {"GET", "/ws/events", 426}, {"GET", "/ws/events/x", 404},
		{"GET", "/", 404}, {"GET", "//", 404}, {"POST", "/api/v2/replay/sessions//task/upload/0", 404},
	} {
		if status, answer := w.send(t, c.method, c.path, "", "lion", nil); status != c.want || status >= 400 && (answer["ok"] != false || answer["error"] == "") {
			t.Errorf("%s %s: %d %v", c.method, c.path, status, answer)
		}
	}
	names, parts := lexicographic(1)
	for _, lead := range []string{"", "/", "//"} {
		for _, trail := range []string{"", "/", "//"} {
			task := w.task(t, names, parts)
			kind, form := encoded([][2]string{{"file", string(parts[names[0]])}}, names[0])
			if status, answer := w.send(t, "POST", lead+"/api/v2/replay/sessions/"+task+"/task/upload/0"+trail, kind, "lion", form); status != 200 || answer["ok"] != true {
				t.Errorf("%q %q: %d %v", lead, trail, status, answer)
			}
			kind, form = encoded([][2]string{{"file", string(dump(300))}}, session)
			if status, answer := w.send(t, "POST", lead+"/api/v2/replay/sessions/"+session+"/task"+trail, kind, "lion", form); status != 200 || answer["id"] == "" {
				t.Errorf("%q %q: %d %v", lead, trail, status, answer)
			}
		}
	}
}

// TestWhatIsNotAllowedSaysWhatIs, as HTTP requires.
func TestWhatIsNotAllowedSaysWhatIs(t *testing.T) {
	w := newWorker(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.URL+"/api/v2/replay/sessions/"+session+"/task/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Error(resp.Status, resp.Header)
	}
}
