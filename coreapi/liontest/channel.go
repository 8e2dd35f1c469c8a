package liontest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// pingEvery is the time between two pings on the event channel.
const pingEvery = 30 * time.Second

// jar keeps cookies as Lion does: by name, for all hosts, without expiry.
type jar struct {
	mu   sync.Mutex
	kept map[string]string // guarded by mu
}

func (j *jar) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kept == nil {
		j.kept = map[string]string{}
	}
	for _, c := range cookies {
		j.kept[c.Name] = c.Value
	}
}

func (j *jar) Cookies(*url.URL) []*http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	var cookies []*http.Cookie
	for name, value := range j.kept {
		cookies = append(cookies, &http.Cookie{Name: name, Value: value}) //nolint:gosec // not one that is set
	}
	return cookies
}

// enter logs in and keeps the event channel open until leave is called. It sends
// pings, and logs in again some time after the channel has ended. Nothing else logs
// in, and uploads do not depend on the channel.
func (l *Lion) enter(ctx context.Context, again time.Duration) {
	channel, _ := l.login(ctx)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var holding sync.WaitGroup
	holding.Go(func() {
		for ctx.Err() == nil {
			if channel != nil {
				hold(ctx, channel)
			}
			select {
			case <-ctx.Done():
			case <-time.After(again):
				channel, _ = l.login(ctx)
			}
		}
		if channel != nil {
			_ = channel.CloseNow()
		}
	})
	l.leave = func() { cancel(); holding.Wait() }
}

// login gets a cookie with a signed request, and opens the event channel with it.
func (l *Lion) login(ctx context.Context) (*websocket.Conn, error) {
	// Lion's client sends a body with every request: here, JSON's null.
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.worker+profilePath, strings.NewReader("null"))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-JMS-ORG", "ROOT")
	l.key.Sign(r)
	var profile map[string]any
	if err := l.answer(r, &profile); err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	//nolint:bodyclose // Dial's documentation: there is no need to
	channel, _, err := websocket.Dial(ctx, l.worker+"/ws/events/", &websocket.DialOptions{
		HTTPClient: l.http, Subprotocols: []string{"JMS-Video-Worker"},
	})
	if err != nil {
		return nil, fmt.Errorf("event channel: %w", err)
	}
	return channel, nil
}

// hold sends pings on a channel and ignores what it receives, until the channel
// ends.
func hold(ctx context.Context, channel *websocket.Conn) {
	defer channel.CloseNow() //nolint:errcheck // it has ended
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var pinging sync.WaitGroup
	defer pinging.Wait()
	pinging.Go(func() {
		defer cancel()
		for ctx.Err() == nil && channel.Write(ctx, websocket.MessageText, []byte(`{"event":"ping"}`)) == nil {
			select {
			case <-ctx.Done():
			case <-time.After(pingEvery):
			}
		}
	})
	for {
		if _, _, err := channel.Read(ctx); err != nil {
			cancel()
			return
		}
	}
}
