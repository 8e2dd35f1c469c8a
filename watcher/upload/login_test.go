package upload

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// login logs in like a v3 client.
func (w *worker) login(t *testing.T) (*http.Client, *http.Cookie) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	t.Cleanup(client.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/api/v1/users/profile/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Signature lion")
	r.Header.Set("Date", now())
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if cookies := resp.Cookies(); resp.StatusCode == http.StatusOK && len(cookies) == 1 {
		return client, cookies[0]
	}
	t.Fatal(resp.Status, resp.Header)
	return nil, nil
}

// channel opens a v3 client's event channel.
func (w *worker) channel(t *testing.T, client *http.Client) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), w.URL+"/ws/events/", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"JMS-Video-Worker"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// TestV3LoginHoldsForLaterRequests: a cookie, a channel with its subprotocol, and a
// task that is signed for another path.
func TestV3LoginHoldsForLaterRequests(t *testing.T) {
	w := newWorker(t)
	client, _ := w.login(t)
	conn := w.channel(t, client)
	if conn.Subprotocol() != "JMS-Video-Worker" {
		t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	for range 3 {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"event":"ping"}`)); err != nil {
			t.Error(err)
		}
	}
	kind, b := encoded([][2]string{{"file", "4.size,1.0,2.64,2.48;4.sync,1.1;"}}, session) // a raw dump of the oldest version
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/api/v2/replay/sessions/"+session+"/task/", b)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Signature for another path")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(w.accepted) != 1 {
		t.Errorf("%s, %+v", resp.Status, w.accepted)
	}
}

func TestCookiesOfOtherWorkersWithTheSameSecret(t *testing.T) {
	auth := func(secret string) *Auth {
		a, err := NewAuth(nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	login := credential{Authorization: "Signature lion", Date: now(), Org: "ROOT"}
	cookie, err := auth("same").issue(login)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := auth("same").open(cookie); !ok || got.credential != login {
		t.Error("not accepted")
	}
	late := auth("same")
	late.now = func() time.Time { return time.Now().Add(cookieLife + time.Minute) }
	for name, a := range map[string]*Auth{"another secret": auth("another"), "none": auth(""), "late": late} {
		if _, ok := a.open(cookie); ok {
			t.Error(name, "accepted")
		}
	}
	if _, ok := auth("same").open(cookie[:len(cookie)-2] + "AA"); ok {
		t.Error("a changed cookie is accepted")
	}
}

// TestTheChannelEndsBeforeItsCookie: a client logs in again when its channel has
// ended, and must not continue with an expired cookie.
func TestTheChannelEndsBeforeItsCookie(t *testing.T) {
	w := newWorker(t)
	w.api.Auth.life = 2 * time.Second
	client, cookie := w.login(t)
	if cookie.MaxAge != 2 || !cookie.HttpOnly {
		t.Error(cookie)
	}
	conn := w.channel(t, client)
	pinging, stop := context.WithCancel(t.Context())
	var pings sync.WaitGroup
	defer pings.Wait()
	defer stop()
	pings.Go(func() {
		for pinging.Err() == nil && conn.Write(pinging, websocket.MessageText, []byte(`{"event":"ping"}`)) == nil {
			time.Sleep(20 * time.Millisecond) // the pace of the pings
		}
	})
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("something was said")
	}
	w.api.Auth.now = func() time.Time { return time.Now().Add(-500 * time.Millisecond) } // the machine may be busy
	if login, ok := w.api.Auth.open(cookie.Value); !ok || login.Authorization != "Signature lion" {
		t.Error("the channel has outlived its cookie")
	}
}

// TestCoreIsAskedOnceForManyAtOnce: fifty sessions that end together must not cause
// many requests, which core would refuse with 429.
func TestCoreIsAskedOnceForManyAtOnce(t *testing.T) {
	w := newWorker(t)
	check := w.api.Auth.check
	w.api.Auth.check = func(ctx context.Context, authorization, date, org string) (Account, error) {
		time.Sleep(200 * time.Millisecond) // a slow core
		return check(ctx, authorization, date, org)
	}
	names, parts := lexicographic(1)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { w.announce(t, "lion", names, parts) })
	}
	all.Wait()
	if w.checks > 5 { // one; more only if this machine stalls in between
		t.Errorf("core was asked %d times", w.checks)
	}
	if status, _ := w.announce(t, "nobody", names, parts); status != http.StatusUnauthorized {
		t.Error(status)
	}
}

// TestARevokedLoginEndsWithinAMinute, although its cookie would be valid for hours.
// Core is asked at most once a minute about it.
func TestARevokedLoginEndsWithinAMinute(t *testing.T) {
	for what, answer := range map[string]struct {
		account Account
		err     error
		want    int
	}{
		"the key is revoked":       {err: ErrSignature, want: http.StatusUnauthorized},
		"the account is disabled":  {want: http.StatusForbidden},
		"it is no component's now": {account: Account{ID: "lion-id", Valid: true}, want: http.StatusForbidden},
	} {
		w := newWorker(t)
		clock := time.Now()
		w.api.Auth.now = func() time.Time { return clock }
		client, _ := w.login(t)
		for range 10 { // 50 s
			if status := w.upload(t, client); status != http.StatusOK {
				t.Fatalf("%s: %d while it is good", what, status)
			}
			clock = clock.Add(5 * time.Second)
		}
		if w.checks != 1 {
			t.Errorf("%s: core was asked %d times in a minute", what, w.checks)
		}
		good := w.api.Auth.check
		w.api.Auth.check = func(context.Context, string, string, string) (Account, error) { return answer.account, answer.err }
		clock = clock.Add(11 * time.Second)
		for range 2 {
			if status := w.upload(t, client); status != answer.want {
				t.Errorf("%s: %d after a minute", what, status)
			}
		}
		// It also does not become valid again while core is unreachable.
		w.api.Auth.check = func(context.Context, string, string, string) (Account, error) { return Account{}, ErrNoCore }
		if status := w.upload(t, client); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d while core is away", what, status)
		}
		w.api.Auth.check = good
		if status := w.upload(t, client); status != http.StatusOK {
			t.Errorf("%s: %d when it is good again", what, status)
		}
	}
}

// TestWhatCoreSaidHoldsForAWhileWithoutIt: three minutes, and not longer.
func TestWhatCoreSaidHoldsForAWhileWithoutIt(t *testing.T) {
	w := newWorker(t)
	clock := time.Now()
	w.api.Auth.now = func() time.Time { return clock }
	client, _ := w.login(t)
	checks := 0
	w.api.Auth.check = func(context.Context, string, string, string) (Account, error) {
		checks++
		return Account{}, ErrNoCore
	}
	for range 17 { // 170 s
		clock = clock.Add(10 * time.Second)
		if status := w.upload(t, client); status != http.StatusOK {
			t.Fatal(status, clock)
		}
	}
	if checks != 2 {
		t.Errorf("core was asked %d times in three minutes", checks)
	}
	clock = clock.Add(11 * time.Second)
	if status := w.upload(t, client); status != http.StatusServiceUnavailable {
		t.Error("after more than three minutes:", status)
	}
}

// upload sends a recording as a v3 client that has logged in.
func (w *worker) upload(t *testing.T, client *http.Client) int {
	t.Helper()
	kind, body := encoded([][2]string{{"file", string(dump(50))}}, session)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/api/v2/replay/sessions/"+session+"/task/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Signature for another path")
	r.Header.Set("Date", now())
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
