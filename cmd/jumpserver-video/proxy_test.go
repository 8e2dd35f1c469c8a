package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// Ways to configure nginx as a proxy for an agent at AGENT.
const (
	nginxDefault = `location / { proxy_pass http://AGENT; }`
	// These two leave no trace: their requests look like those of processes on the host.
	nginxHTTP11  = `location / { proxy_pass http://AGENT; proxy_http_version 1.1; }`
	nginxNoTrace = `location / { proxy_pass http://AGENT; proxy_http_version 1.1; proxy_set_header Connection ""; }`
	nginxHost    = `location / { proxy_pass http://AGENT; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }`
)

// nginxDocumented returns the configuration in docs/security.md.
func nginxDocumented(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("docs/security.md has no nginx configuration")
	}
	return strings.ReplaceAll(string(m[1]), "127.0.0.1:9000", "AGENT")
}

// nginx runs a real nginx on loopback in front of the fixture's agent, and returns its address.
func (l *fixture) nginx(location string) string {
	t := l.t
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // not in every PATH
	}
	at := reserve(t, 1)
	dir := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off; client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
	server { listen %[2]s; %[3]s }
}
`, dir, at.HostPort(0), strings.ReplaceAll(location, "AGENT", l.agent.Addr()))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", file, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("nginx, which make setup installs: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address := "http://" + at.HostPort(0)
	l.until("nginx answers", func() bool {
		status, _ := askAsStranger(t, http.MethodGet, address+statuspage.Path, "")
		return status == http.StatusOK
	})
	return address
}

// askAsStranger sends a request like a client on another host: with a Host header that does
// not name this host.
func askAsStranger(t *testing.T, method, url, token string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// dataCalls returns all calls that return data of the agent, or change it.
func dataCalls(session string) map[string]string {
	one := taskapi.Prefix + "/tasks/" + session
	return map[string]string{
		statuspage.StatusPath: http.MethodGet, taskapi.Prefix + "/tasks": http.MethodGet, one: http.MethodGet, one + "/log": http.MethodGet,
		taskapi.Prefix + "/access": http.MethodGet, metrics.Path: http.MethodGet,
		one + "/retry": http.MethodPost, taskapi.Prefix + "/retry?reason=encoder": http.MethodPost,
	}
}

// TestNobodyIsThisHostBehindAProxy: clients that come through nginx get no data without the
// token, and all data with it. If no token is set, they get none with any configuration of
// nginx that leaves a trace.
func TestNobodyIsThisHostBehindAProxy(t *testing.T) {
	t.Parallel()
	const session = "eeeeeeee-1111-4111-8111-111111111111"
	documented := nginxDocumented(t)
	start := func(token string) *fixture {
		l := newFixture(t, "4.10.13")
		l.env["STATUS_TOKEN"] = token
		l.put(session)
		l.startHealthy()
		l.until("done", func() bool {
			out, _ := l.command("tasks", "--state", "done")
			return strings.Contains(out, session)
		})
		return l
	}
	t.Run("no token", func(t *testing.T) {
		t.Parallel()
		l := start("")
		l.t = t
		if out, code := l.command("doctor"); code != 0 || strings.Contains(out, "a proxy on this host") {
			t.Errorf("doctor: %d\n%s", code, out)
		}
		for _, way := range []string{nginxDefault, nginxHost, documented} {
			proxy := l.nginx(way)
			// In a random order: the doctor must name the host whichever call is the last.
			for path, method := range dataCalls(session) {
				if status, body := askAsStranger(t, method, proxy+path, ""); status != http.StatusUnauthorized || strings.Contains(body, session) {
					t.Errorf("%s\n%s %s: %d %s", way, method, path, status, body)
				}
			}
		}
		if out, _ := l.command("doctor"); !strings.Contains(out, "a proxy on this host") || !strings.Contains(out, `"evil.example"`) {
			t.Errorf("the doctor does not report the proxy:\n%s", out)
		}
		if n := strings.Count(l.agent.Log(), "a proxy on this host"); n != 1 {
			t.Errorf("the log reports the proxy %d times", n)
		}
		if out, code := l.command("tasks", "show", session); code != 0 || !strings.Contains(out, "INF rendered and verified") {
			t.Errorf("on this host: %d\n%s", code, out)
		}
	})
	t.Run("token", func(t *testing.T) {
		t.Parallel()
		const token = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
		l := start(token)
		l.t = t
		proxies := []string{}
		for _, way := range []string{nginxDefault, nginxHTTP11, nginxHost, nginxNoTrace, documented} {
			proxies = append(proxies, l.nginx(way))
		}
		for _, to := range append(proxies, l.agent.URL()) {
			for path, method := range dataCalls(session) {
				if status, body := askAsStranger(t, method, to+path, ""); status != http.StatusUnauthorized || strings.Contains(body, session) {
					t.Errorf("%s %s without the token: %d %s", method, to+path, status, body)
				}
				if status, body := askAsStranger(t, method, to+path, token); status != http.StatusOK {
					t.Errorf("%s %s with the token: %d %s", method, to+path, status, body)
				}
				if strings.HasSuffix(path, session+"/retry") {
					l.until("done again", func() bool { out, _ := l.command("tasks", "--state", "done"); return strings.Contains(out, session) })
				}
			}
			if status, _ := askAsStranger(t, http.MethodGet, to+statuspage.Path, ""); status != http.StatusOK {
				t.Errorf("the page itself, which contains no data: %d", status)
			}
		}
		// A client that guesses tokens through the documented proxy is slowed down, and
		// does not slow down clients on this host.
		guess := proxies[len(proxies)-1] + statuspage.StatusPath
		var status int
		for range 20 {
			status, _ = askAsStranger(t, http.MethodGet, guess, "not-the-token-that-is-set")
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("guessing on and on: %d", status)
		}
		if out, code := l.command("tasks"); code != 0 || !strings.Contains(out, session) {
			t.Errorf("on this host: %d\n%s", code, out)
		}
		if out, code := l.command("doctor"); code != 0 || !strings.Contains(out, "and is healthy") || strings.Contains(out, "proxy") {
			t.Errorf("doctor: %d\n%s", code, out)
		}
	})
}

// TestHealthTellsStrangersNoReasons: reasons contain names of hosts and folders. Everybody may
// know whether the agent is healthy, and its name, because load balancers and Docker need it.
func TestHealthTellsStrangersNoReasons(t *testing.T) {
	t.Parallel()
	const token = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	for name, set := range map[string]string{"no token": "", "token": token} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newFixture(t, "4.10.13")
			l.env["STATUS_TOKEN"], l.env["REPLAY_DIR"] = set, filepath.Join(l.dir, "nowhere", "replay")
			was := `{"root":"` + l.env["REPLAY_DIR"] + `"}`
			if err := os.WriteFile(l.agent.Data("replay-volume.json"), []byte(was), 0o600); err != nil {
				t.Fatal(err)
			}
			l.start()
			const path = "/video-worker/health/"
			url := l.agent.URL() + path
			ours := func() string { _, body := l.get(path, "Authorization", "Bearer "+token); return body }
			l.until("unwell", func() bool { return strings.Contains(ours(), "nowhere") })
			status, body := askAsStranger(t, http.MethodGet, url, "")
			if status != http.StatusServiceUnavailable || !strings.Contains(body, `"status":"unhealthy"`) || !strings.Contains(body, `"name":"[VideoWorker]-`) || strings.Contains(body, "reasons") {
				t.Errorf("strangers get %d %s", status, body)
			}
			_, body = l.get(path, "", "")
			if told := strings.Contains(body, "nowhere"); told != (set == "") {
				t.Errorf("this host without a token gets %s", body)
			}
			if out, _ := l.command("doctor"); !regexp.MustCompile(`agent +runs at .* and is not healthy: .*nowhere`).MatchString(out) {
				t.Errorf("the doctor says\n%s", out)
			}
		})
	}
}
