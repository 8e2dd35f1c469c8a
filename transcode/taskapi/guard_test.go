package taskapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGuard(t *testing.T) {
	for _, tc := range []struct {
		name, token  string
		remote, host string
		header       map[string]string
		want         int
	}{
		{"same host", "", "127.0.0.1:5000", "127.0.0.1:9000", nil, 200},
		{"same host by name", "", "[::1]:5000", "localhost:9000", nil, 200},
		{"other host", "", "10.1.2.3:5000", "10.1.2.9:9000", nil, 401},
		{"other host with token", "secret", "10.1.2.3:5000", "10.1.2.9:9000", map[string]string{"Authorization": "Bearer secret"}, 200},
		{"other host with wrong token", "secret", "10.1.2.3:5000", "10.1.2.9:9000", map[string]string{"Authorization": "Bearer guess"}, 401},
		{"an empty token opens nothing", "", "10.1.2.3:5000", "10.1.2.9:9000", map[string]string{"Authorization": "Bearer "}, 401},
		{"through a proxy on this host", "", "127.0.0.1:5000", "127.0.0.1:9000", map[string]string{"X-Forwarded-For": "10.1.2.3"}, 401},
		{"a page that rebinds its name to loopback", "", "127.0.0.1:5000", "evil.example:9000", nil, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := Guard(tc.token, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
			r := httptest.NewRequest(http.MethodGet, "http://"+tc.host+Prefix+"/tasks", nil)
			r.RemoteAddr = tc.remote
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Errorf("status %d, want %d", w.Code, tc.want)
			}
		})
	}
}
