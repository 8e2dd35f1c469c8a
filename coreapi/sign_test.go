package coreapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// The vectors were computed with core's own verifier.
func TestSignReproducesCoresSignatures(t *testing.T) {
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "/api/v1/users/profile/", "3f2NJl9OpWX3usYFPQlC8D5Bt5QOkj0PVgejfeugCM4="},
		{"GET", "/api/v1/terminal/sessions/?is_finished=1&limit=100&offset=0&protocol=rdp", "7xWf7OdV4tI+5HIWulHhg60sr54yLvBR97Aojn8UTQY="},
		{"POST", "/api/v1/terminal/sessions/0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f/replay/", "jxh+rr0BCZsq4W8kZkQTqYN7X7MrUwcganbNATy8zwc="},
		{"GET", "/ws/terminal-task/", "F0IVlWPyhFPWd1TEXOB+RaOblqvDPveFl3quyLuErj8="},
	} {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, "http://core:8080"+tt.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Date", "Tue, 23 Apr 2024 11:40:34 UTC")
			testKey.Sign(req)
			want := `Signature keyId="3f2b6c0e-8a47-4d0b-9f5e-1c2d3e4f5a6b",algorithm="hmac-sha256",` +
				`headers="(request-target) date",signature="` + tt.want + `"`
			if got := req.Header.Get("Authorization"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestSignDatesARequestThatHasNoDate(t *testing.T) {
	req, _ := http.NewRequest(http.MethodGet, "http://core/", nil)
	testKey.Sign(req)
	if _, err := http.ParseTime(req.Header.Get("Date")); err != nil {
		t.Error(err)
	}
}

func TestKeyHidesItsSecret(t *testing.T) {
	var b bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("x", "key", testKey, "in", struct{ K Key }{testKey}, "ptr", &testKey)
	}
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&b, f+"\n", testKey)
		fmt.Fprintf(&b, f+"\n", struct{ K Key }{testKey})
	}
	j, err := json.Marshal(testKey)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	if !strings.Contains(b.String(), testKey.ID) {
		t.Error("the key is not named")
	}
	if strings.Contains(b.String(), testKey.Secret) {
		t.Errorf("secret shown:\n%s", b.String())
	}
}
