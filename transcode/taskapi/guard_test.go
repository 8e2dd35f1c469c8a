package taskapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const secret = "correct-horse-battery"

func TestGuard(t *testing.T) {
	browser := map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:9000"}
	right := map[string]string{"Authorization": "Bearer " + secret}
	const here, there = "127.0.0.1:5000", "10.1.2.3:5000"
	for _, tc := range []guardCase{
		{"same host", "", here, "127.0.0.1:9000", nil, 200},
		{"same host by name", "", "[::1]:5000", "localhost:9000", nil, 200},
		{"other host", "", there, "10.1.2.9:9000", nil, 401},
		{"other host that claims to be this one", "", there, "127.0.0.1:9000", nil, 401},
		{"other host with token", secret, there, "10.1.2.9:9000", right, 200},
		{"other host with wrong token", secret, there, "10.1.2.9:9000", map[string]string{"Authorization": "Bearer guess"}, 401},
		{"an empty token opens nothing", "", there, "10.1.2.9:9000", map[string]string{"Authorization": "Bearer "}, 401},
		{"an empty token opens nothing once one is set", secret, here, "127.0.0.1:9000", map[string]string{"Authorization": "Bearer "}, 401},
		{"a token that begins rightly", secret, here, "127.0.0.1:9000", map[string]string{"Authorization": "Bearer " + secret + "x"}, 401},
		{"the token without its scheme", secret, here, "127.0.0.1:9000", map[string]string{"Authorization": secret}, 401},
		{"through a proxy on this host", "", here, "127.0.0.1:9000", map[string]string{"X-Forwarded-For": "10.1.2.3"}, 401},
		{"through a proxy on this host, with token", secret, here, "127.0.0.1:9000",
			map[string]string{"X-Forwarded-For": "10.1.2.3", "Authorization": "Bearer " + secret}, 200},
		{"a page that rebinds its name to loopback", "", here, "evil.example:9000", nil, 401},
		{"same host, a token is set", secret, here, "127.0.0.1:9000", nil, 401},
		{"same host with token", secret, here, "127.0.0.1:9000", right, 200},
		{"POST from the same host", "", here, "127.0.0.1:9000", nil, 200},
		{"POST from the same host, a token is set", secret, here, "127.0.0.1:9000", nil, 401},
		{"POST from the same host with token", secret, here, "127.0.0.1:9000", right, 200},
		{"POST from another host with token", secret, there, "10.1.2.9:9000", right, 200},
		{"POST from another host", "", there, "10.1.2.9:9000", nil, 401},
		{"a browser on the same host", "", here, "127.0.0.1:9000", browser, 200},
		{"a browser on the same host, a token is set", secret, here, "127.0.0.1:9000", browser, 401},
		{"POST of a browser on the same host", "", here, "127.0.0.1:9000", browser, 401},
		{"POST of another site's page with token", secret, here, "127.0.0.1:9000",
			map[string]string{"Authorization": "Bearer " + secret, "Sec-Fetch-Site": "cross-site"}, 403},
		{"a Unix socket", "", "@", "127.0.0.1:9000", nil, 401},
		{"a Unix socket with token", secret, "@", "127.0.0.1:9000", right, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := NewAccess(tc.token, nil).Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, tc.request())
			if w.Code != tc.want {
				t.Errorf("status %d, want %d: %s", w.Code, tc.want, w.Body)
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

// request is a GET, unless the case's name begins with another method.
func (c guardCase) request() *http.Request {
	method := http.MethodGet
	if strings.HasPrefix(c.name, http.MethodPost) {
		method = http.MethodPost
	}
	r := httptest.NewRequest(method, Prefix+"/tasks", nil)
	r.RemoteAddr, r.Host = c.remote, c.host
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	return r
}

// TestWhatIsNotOfThisHost sends requests over loopback, byte for byte. Those that proxies
// forward for other hosts are refused; those that clients of this host send are accepted.
func TestWhatIsNotOfThisHost(t *testing.T) {
	open := startGuarded(t, "")
	closed := startGuarded(t, secret)
	const path = Prefix + "/tasks"
	get := func(lines ...string) string {
		return "GET " + path + " HTTP/1.1\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	}
	for _, tc := range []struct {
		name, request string
		want          int
	}{
		{"our own client", get("Host: 127.0.0.1:9000", "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"), 200},
		{"curl", get("Host: localhost:9000", "User-Agent: curl/8.5.0", "Accept: */*"), 200},
		{"wget", get("Host: 127.0.0.1:9000", "User-Agent: Wget/1.21", "Accept: */*", "Accept-Encoding: identity", "Connection: Keep-Alive"), 200},
		{"Prometheus", get("Host: [::1]:9000", "User-Agent: Prometheus/2.42", "Accept: text/plain", "Accept-Encoding: gzip", "X-Prometheus-Scrape-Timeout-Seconds: 10"), 200},
		{"Chromium", get("Host: 127.0.0.1:9000", "Connection: keep-alive", `sec-ch-ua: "Chromium";v="130"`, "sec-ch-ua-mobile: ?0", "User-Agent: Mozilla/5.0",
			"Accept: */*", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-GPC: 1", "Cache-Control: no-cache", "Pragma: no-cache",
			"Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: de"), 200},
		{"Firefox", get("Host: localhost:9000", "User-Agent: Mozilla/5.0", "Accept: */*", "Accept-Language: zh-CN", "Accept-Encoding: gzip", "Referer: http://localhost:9000/",
			"DNT: 1", "Connection: keep-alive", "Cookie: other=1", "Sec-Fetch-Site: same-origin", "Priority: u=4", "If-None-Match: \"x\"", "TE: trailers"), 200},
		{"Python", get("Host: 127.0.0.1:9000", "User-Agent: Python-urllib/3.11", "Accept-Encoding: identity", "Connection: close"), 200},

		{"HTTP/1.0, nginx's default", "GET " + path + " HTTP/1.0\r\nHost: 127.0.0.1:9000\r\n\r\n", 401},
		{"HTTP/1.0 that stays connected", "GET " + path + " HTTP/1.0\r\nHost: 127.0.0.1:9000\r\nConnection: keep-alive\r\n\r\n", 401},
		{"absolute form", "GET http://127.0.0.1:9000" + path + " HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\r\n", 401},
		{"absolute form of another's name", "GET http://evil.example" + path + " HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\r\n", 401},
		{"another name", get("Host: jumpserver.example"), 401},
		{"a name that begins like this host", get("Host: localhost.evil.example"), 401},
		{"a name that ends like this host", get("Host: evil-localhost"), 401},
		{"an address that is not this host's own", get("Host: 192.168.1.10:9000"), 401},
		{"no name", get("Host:"), 401},
		{"any address", get("Host: 0.0.0.0:9000"), 401},
		{"Via", get("Host: 127.0.0.1:9000", "Via: 1.1 squid"), 401},
		{"an empty Via", get("Host: 127.0.0.1:9000", "Via:"), 401},
		{"Forwarded", get("Host: 127.0.0.1:9000", "Forwarded: for=10.1.2.3"), 401},
		{"Forwarded in capitals", get("Host: 127.0.0.1:9000", "FORWARDED: for=127.0.0.1"), 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := statusOf(t, open, tc.request); got != tc.want {
				t.Errorf("status %d, want %d", got, tc.want)
			}
			if got := statusOf(t, closed, tc.request); got != 401 {
				t.Errorf("without the token that is set: status %d", got)
			}
			with := strings.Replace(tc.request, "\r\n", "\r\nAuthorization: Bearer "+secret+"\r\n", 1)
			if got := statusOf(t, closed, with); got != 200 {
				t.Errorf("with the token: status %d", got)
			}
		})
	}
	for _, header := range []string{
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded",
		"X-Real-IP", "X-Real-Port", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For", "X-Original-URL", "X-Original-Host", "X-ProxyUser-Ip",
		"X-Envoy-External-Address", "X-Request-Id", "X-Amzn-Trace-Id", "X-Azure-ClientIP", "X-Appengine-User-Ip", "X-Varnish", "X-Host", "X-Scheme", "X-Remote-User",
		"True-Client-IP", "CF-Connecting-IP", "CF-Ray", "CDN-Loop", "Fastly-Client-IP", "Client-IP", "WL-Proxy-Client-IP", "Proxy-Client-IP", "Proxy-Connection",
		"Proxy-Authorization", "Max-Forwards", "Remote-User", "Ali-CDN-Real-IP", "Forwarded-For", "Front-End-Https", "Traceparent", "Upgrade", "X-Anything-Else",
	} {
		for _, value := range []string{"127.0.0.1", ""} {
			if got := statusOf(t, open, get("Host: 127.0.0.1:9000", header+": "+value)); got != 401 {
				t.Errorf("%s: %q: status %d", header, value, got)
			}
		}
	}
}

// startGuarded starts a guarded server on loopback.
func startGuarded(t *testing.T, token string) (address string) {
	t.Helper()
	s := httptest.NewServer(NewAccess(token, nil).Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// statusOf sends a request unchanged and returns the status of the response.
func statusOf(t *testing.T, address, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestGuessingIsSlow: ten wrong tokens at once, and then one every five seconds. Guesses
// from one address do not slow down other addresses.
func TestGuessingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := NewAccess(secret, nil)
		h := access.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ask := func(remote, token string, header ...string) *httptest.ResponseRecorder {
			c := guardCase{remote: remote, host: "127.0.0.1:9000", header: map[string]string{}}
			if token != "" {
				c.header["Authorization"] = "Bearer " + token
			}
			for i := 0; i+1 < len(header); i += 2 {
				c.header[header[i]] = header[i+1]
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, c.request())
			return w
		}
		want := func(what string, w *httptest.ResponseRecorder, status int) {
			t.Helper()
			if w.Code != status {
				t.Errorf("%s: status %d, want %d", what, w.Code, status)
			}
		}
		const guesser = "10.1.2.3:5000"
		for range 100 {
			want("the right token", ask(guesser, secret), 200)
			want("no token", ask(guesser, ""), 401)
		}
		for range maxGuesses {
			want("a guess", ask(guesser, "guess"), 401)
		}
		w := ask("10.1.2.3:5001", "guess")
		want("a guess too many", w, 429)
		if w.Header().Get("Retry-After") != "6" {
			t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
		}
		want("the right token among guesses", ask(guesser, secret), 429)
		if c := (guardCase{remote: guesser, header: map[string]string{"Authorization": "Bearer " + secret}}); access.Trusted(c.request()) {
			t.Error("a sender with too many guesses is trusted")
		}
		want("no token", ask(guesser, ""), 401)
		want("another address", ask("10.1.2.4:5000", secret), 200)
		time.Sleep(guessEvery)
		want("the next guess", ask(guesser, "guess"), 401)
		want("and one too many", ask(guesser, "guess"), 429)
		time.Sleep(maxGuesses * guessEvery)
		want("the right token, later", ask(guesser, secret), 200)

		// Guesses through a proxy on this host do not slow down this host.
		for range maxGuesses + 1 {
			ask("127.0.0.1:5000", "guess", "X-Forwarded-For", "10.1.2.3")
		}
		want("through the proxy", ask("127.0.0.1:5000", secret, "X-Forwarded-For", "10.9.9.9"), 429)
		want("this host", ask("127.0.0.1:5000", secret), 200)

		// All addresses of an IPv6 network are counted together.
		for i := range maxGuesses + 1 {
			ask(fmt.Sprintf("[2001:db8::%x]:5000", i), "guess")
		}
		want("the same network", ask("[2001:db8::ffff]:5000", secret), 429)
		want("another network", ask("[2001:db8:1::1]:5000", secret), 200)
	})
}

// TestManyWhoGuessTakeNoMoreMemory: senders beyond the limit share one bucket, and are
// removed in time.
func TestManyWhoGuessTakeNoMoreMemory(t *testing.T) {
	var l limiter
	now := time.Now()
	from := func(i int) sender {
		return sender{net: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)}
	}
	held := 0
	for i := range 20 * maxSenders {
		if _, wait := l.reserve(from(i), now); wait > 0 {
			held++
		}
	}
	if len(l.full) > maxSenders+1 {
		t.Errorf("%d senders are stored", len(l.full))
	}
	if want := 19*maxSenders - maxGuesses; held != want {
		t.Errorf("%d guesses had to wait, want %d", held, want)
	}
	if counted, wait := l.reserve(from(1<<20), now.Add(guessEvery+1)); wait > 0 || counted == (sender{}) || len(l.full) > 2 {
		t.Errorf("later: %v, wait %s, %d senders stored", counted, wait, len(l.full))
	}
}

// TestAProxyIsToldOf: once in the log, and for the doctor. Requests from other hosts do not
// indicate a proxy.
func TestAProxyIsToldOf(t *testing.T) {
	var log bytes.Buffer
	access := NewAccess("", slog.New(slog.NewTextHandler(&log, nil)))
	for _, c := range []guardCase{
		{remote: "127.0.0.1:5000", host: "127.0.0.1:9000"},
		{remote: "10.1.2.3:5000", host: "evil.example"},
	} {
		access.Trusted(c.request())
	}
	if p := access.Proxied(); p.Requests != 0 || log.Len() > 0 {
		t.Errorf("%+v\n%s", p, &log)
	}
	for range 3 {
		access.Trusted(guardCase{remote: "127.0.0.1:5000", host: "video.example"}.request())
	}
	long := strings.Repeat("x", 1<<20)
	access.Trusted(guardCase{remote: "[::1]:5000", host: long}.request())
	p := access.Proxied()
	if p.Requests != 4 || p.Host != long[:255] || p.Last.IsZero() || p.Why == "" {
		t.Errorf("%d, %.20q, %v, %.20q", p.Requests, p.Host, p.Last, p.Why)
	}
	if n := strings.Count(log.String(), "STATUS_TOKEN"); n != 1 || !strings.Contains(log.String(), "video.example") {
		t.Errorf("logged %d times:\n%s", n, &log)
	}
}
