package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHealthChecksOfOthersFindTheirPrograms: the program works as curl and check, as the
// health checks of JumpServer's compose files and of the stand-alone Video-Worker call them.
func TestHealthChecksOfOthersFindTheirPrograms(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/video-worker/health/", http.StatusFound)
		case "/video-worker/health/":
			_, _ = w.Write([]byte("well"))
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	server, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	t.Cleanup(secure.Close)
	file := filepath.Join(t.TempDir(), "out")
	for _, tt := range []struct {
		line string // the program and its arguments
		code int
		out  string
	}{
		{"curl -fsL " + server.URL + "/video-worker/health/", 0, "well"},
		{"curl -fsL " + server.URL + "/moved", 0, "well"},
		{"curl -fskL " + secure.URL + "/moved", 0, "well"},
		{"curl -fsL -m 5 -o " + file + " " + server.URL + "/moved", 0, ""},
		{"curl -s " + server.URL + "/ill", 0, ""},
		{"curl -fsL " + server.URL + "/ill", curlStatus, ""},
		{"curl -fsL " + secure.URL + "/moved", curlConnect, ""},
		{"curl -fsL http://127.0.0.1:1/", curlConnect, ""},
		{"curl -X POST " + server.URL, curlUsage, ""},
		{"curl", curlUsage, ""},
		{"check " + server.URL + "/video-worker/health/", 0, "well"},
		{"check " + secure.URL + "/video-worker/health/", 0, "well"},
		{"check " + server.URL + "/ill", curlStatus, ""},
		{"check a b", curlUsage, ""},
	} {
		words := strings.Fields(tt.line)
		var out, errOut bytes.Buffer
		if code := check(words[0], words[1:], &out, &errOut); code != tt.code || out.String() != tt.out {
			t.Errorf("%s: %d, %q, %q; want %d, %q", tt.line, code, out.String(), errOut.String(), tt.code, tt.out)
		} else if code != 0 && errOut.Len() == 0 {
			t.Errorf("%s: no reason", tt.line)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "well" {
		t.Errorf("%q, %v", got, err)
	}
	if !isCheck("curl") || !isCheck("check") || isCheck("jumpserver-video") {
		t.Error("with other names")
	}
}

// TestCheckAsksTheAgent: check and the agent have the same environment.
func TestCheckAsksTheAgent(t *testing.T) {
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.Path }))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BIND_HOST", u.Hostname())
	t.Setenv("HTTPD_PORT", u.Port())
	if code := check("check", nil, &bytes.Buffer{}, &bytes.Buffer{}); code != 0 || asked != "/video-worker/health/" {
		t.Errorf("%d, %q", code, asked)
	}
}
