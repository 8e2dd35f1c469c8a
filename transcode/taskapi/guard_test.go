package taskapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	browser := map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:9000"}
	for _, tc := range []guardCase{
		{"same host", "", "127.0.0.1:5000", "127.0.0.1:9000", nil, 200},
		{"same host by name", "", "[::1]:5000", "localhost:9000", nil, 200},
		{"other host", "", "10.1.2.3:5000", "10.1.2.9:9000", nil, 401},
		{"other host with token", "secret", "10.1.2.3:5000", "10.1.2.9:9000", map[string]string{"Authorization": "Bearer secret"}, 200},
		{"other host with wrong token", "secret", "10.1.2.3:5000", "10.1.2.9:9000", map[string]string{"Authorization": "Bearer guess"}, 401},
		{"an empty token opens nothing", "", "10.1.2.3:5000", "10.1.2.9:9000", map[string]string{"Authorization": "Bearer "}, 401},
		{"through a proxy on this host", "", "127.0.0.1:5000", "127.0.0.1:9000", map[string]string{"X-Forwarded-For": "10.1.2.3"}, 401},
		{"a page that rebinds its name to loopback", "", "127.0.0.1:5000", "evil.example:9000", nil, 401},
		{"POST from the same host", "", "127.0.0.1:5000", "127.0.0.1:9000", nil, 200},
		{"POST from the same host, a token is set", "secret", "127.0.0.1:5000", "127.0.0.1:9000", nil, 401},
		{"POST from the same host with token", "secret", "127.0.0.1:5000", "127.0.0.1:9000", map[string]string{"Authorization": "Bearer secret"}, 200},
		{"POST from another host with token", "secret", "10.1.2.3:5000", "10.1.2.9:9000", map[string]string{"Authorization": "Bearer secret"}, 200},
		{"POST from another host", "", "10.1.2.3:5000", "10.1.2.9:9000", nil, 401},
		{"a browser on the same host", "", "127.0.0.1:5000", "127.0.0.1:9000", browser, 200},
		{"POST of a browser on the same host", "", "127.0.0.1:5000", "127.0.0.1:9000", browser, 401},
		{"POST of another site's page with token", "secret", "127.0.0.1:5000", "127.0.0.1:9000",
			map[string]string{"Authorization": "Bearer secret", "Sec-Fetch-Site": "cross-site"}, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := Guard(tc.token, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
			r := httptest.NewRequest(tc.method(), "http://"+tc.host+Prefix+"/tasks", nil)
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

type guardCase struct {
	name, token  string
	remote, host string
	header       map[string]string
	want         int
}

// method is GET, unless the name begins with another.
func (c guardCase) method() string {
	if strings.HasPrefix(c.name, http.MethodPost) {
		return http.MethodPost
	}
	return http.MethodGet
}
