package coreapi

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Options say where core is and how to call it. The zero value of every field but
// BaseURL is a good default.
type Options struct {
	// BaseURL is CORE_HOST: scheme and host, perhaps a trailing slash.
	BaseURL string
	// Insecure accepts any TLS certificate (IGNORE_VERIFY_CERTS).
	Insecure bool
	// Log receives retries at debug level; nil discards.
	Log *slog.Logger
	// UserAgent is sent with every request.
	UserAgent string

	// RetryMax is how often a failed call is repeated: 0 means 4, a negative number
	// means never.
	RetryMax int
	// RetryWaitMin and RetryWaitMax bound the growing wait between
	// repetitions (1 s and 30 s).
	RetryWaitMin, RetryWaitMax time.Duration
	// RetryAfterMax is the longest Retry-After that a call waits for (90 s); a
	// longer one ends the call with [ErrUnavailable].
	RetryAfterMax time.Duration
	// Idle is how long a request may make no progress (30 s), and UploadIdle the
	// same while a file is sent (2 min). UploadAnswer is how long core may take to
	// store a file that has been sent (10 min).
	Idle, UploadIdle, UploadAnswer time.Duration
	// Transport carries the requests; nil is net/http's with proxies from
	// the environment.
	Transport *http.Transport
	// Observe, if set, is called once for each call when it has ended, including
	// its retries. It gets the name of the call, one word of [Outcome], and how
	// long the call took.
	Observe func(call, outcome string, took time.Duration)
}

// Client calls core. It is safe for concurrent use.
type Client struct {
	opt   Options
	base  *url.URL
	log   *slog.Logger
	conns *http.Transport
	// fresh opens a connection per request. Core may have closed a pooled
	// connection, and then it is unknown whether the request arrived.
	fresh *http.Transport
	key   atomic.Pointer[Key]
	// rejected receives a value when core responds with 401 to the key in use.
	rejected chan struct{}
}

// New checks the options and returns a client that has no key yet. It does not
// connect to core.
func New(opt Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(strings.TrimSpace(opt.BaseURL), "/"))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("core address %q: want http://HOST[:PORT] or https://HOST[:PORT]", opt.BaseURL)
	}
	opt.UserAgent = or(opt.UserAgent, "jumpserver-video")
	opt.RetryMax = or(opt.RetryMax, 4)
	opt.RetryWaitMin = or(opt.RetryWaitMin, time.Second)
	opt.RetryWaitMax = or(opt.RetryWaitMax, 30*time.Second)
	opt.RetryAfterMax = or(opt.RetryAfterMax, 90*time.Second)
	opt.Idle = or(opt.Idle, 30*time.Second)
	opt.UploadIdle = or(opt.UploadIdle, 2*time.Minute)
	opt.UploadAnswer = or(opt.UploadAnswer, 10*time.Minute)

	conns := opt.Transport
	if conns == nil {
		conns = http.DefaultTransport.(*http.Transport)
	}
	conns = conns.Clone()
	conns.ExpectContinueTimeout = 2 * time.Second
	if opt.Insecure {
		if conns.TLSClientConfig == nil {
			conns.TLSClientConfig = &tls.Config{}
		}
		conns.TLSClientConfig.InsecureSkipVerify = true
	}
	fresh := conns.Clone()
	fresh.DisableKeepAlives = true
	return &Client{
		opt: opt, base: base, log: logger(opt.Log), conns: conns, fresh: fresh,
		rejected: make(chan struct{}, 1),
	}, nil
}

// Close closes idle connections. The client can still be used.
func (c *Client) Close() {
	c.conns.CloseIdleConnections()
	c.fresh.CloseIdleConnections()
}

// SetKey sets the key that signs all further calls.
func (c *Client) SetKey(k Key) { c.key.Store(&k) }

// call describes one call to core, before its requests are built.
type call struct {
	op     string // for errors and logs
	method string
	path   string // below the base address
	query  url.Values
	in     any // JSON body, unless form is set
	out    any // receives the JSON response; nil discards it
	form   *form
	// auth replaces the signature with the access key.
	auth func(http.Header)
	// once forbids repeating a request that may have reached core.
	once bool
	// retries, if not 0, limits Options.RetryMax; negative means never.
	retries int
	// refine, if set, corrects the error that was derived from the status alone.
	refine func(*Error, *answer)
}

// name returns the metric label of the call: the operation without quoted names,
// which would make the label's cardinality unbounded.
func (l call) name() string {
	for _, prefix := range []string{"register", "send event"} {
		if strings.HasPrefix(l.op, prefix+" ") {
			return strings.ReplaceAll(prefix, " ", "_")
		}
	}
	return strings.ReplaceAll(l.op, " ", "_")
}

// do makes the call and reports it to the observer.
func (c *Client) do(ctx context.Context, l call) error {
	began := time.Now()
	err := c.try(ctx, l)
	if c.opt.Observe != nil {
		c.opt.Observe(l.name(), Outcome(err), time.Since(began))
	}
	return err
}

// try makes the call, with retries, and decodes the response.
func (c *Client) try(ctx context.Context, l call) error {
	key := c.key.Load()
	fail := func(e Error) error {
		e.Op, e.Method, e.Path = l.op, l.method, l.path
		return &e
	}
	if l.auth == nil && key == nil {
		return fail(Error{Kind: ErrUnauthorized, Err: errors.New("not registered yet")})
	}
	a := &attempts{c: c, call: l}
	if l.once {
		ctx = a.trace(ctx)
	}
	req, err := c.request(ctx, l, key)
	if err != nil {
		return fail(Error{Err: err})
	}
	resp, err := a.run(req)
	if err != nil {
		return fail(a.lost(ctx, err))
	}
	if l.once && ambiguous(resp.status) {
		e := resp.failure()
		e.Kind = ErrAmbiguous
		return fail(e)
	}
	if ctx.Err() != nil && resp.mayPass() {
		return fail(Error{Err: ctx.Err()}) // the caller's context ended the retries, not core
	}
	if !resp.ok() {
		e := resp.failure()
		if l.refine != nil {
			l.refine(&e, resp)
		}
		if errors.Is(e.Kind, ErrUnauthorized) && l.auth == nil && c.key.Load() == key {
			select {
			case c.rejected <- struct{}{}:
			default: // a value is waiting already
			}
		}
		return fail(e)
	}
	if l.out == nil {
		return nil
	}
	if err := json.Unmarshal(resp.body, l.out); err != nil {
		return fail(Error{Status: resp.status, Kind: ErrProtocol, Err: err})
	}
	return nil
}

// request builds the signed request of a call.
func (c *Client) request(ctx context.Context, l call, key *Key) (*retryablehttp.Request, error) {
	u := *c.base
	u.Path += l.path
	u.RawQuery = l.query.Encode()
	var body any
	if l.form != nil {
		body = l.form.open
	} else if l.in != nil {
		b, err := json.Marshal(l.in)
		if err != nil {
			return nil, err
		}
		body = b
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, l.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("User-Agent", c.opt.UserAgent)
	h.Set("Accept", "application/json")
	h.Set("Accept-Language", "en") // core translates its messages
	switch {
	case l.form != nil:
		req.ContentLength = l.form.length()
		h.Set("Content-Type", l.form.contentType)
		// With this header, core or a proxy can refuse before a large file is sent.
		h.Set("Expect", "100-continue")
	case l.in != nil:
		h.Set("Content-Type", "application/json")
	}
	if l.auth != nil {
		l.auth(h)
		return req, nil
	}
	h.Set("X-JMS-ORG", "ROOT")
	key.Sign(req.Request)
	return req, nil
}

// client returns the HTTP client for the requests of one call.
func (c *Client) client(l call) *http.Client {
	dog := watchdog{next: c.conns, idle: c.opt.Idle, answer: c.opt.Idle}
	if l.once {
		dog.next = c.fresh
	}
	if l.form != nil {
		dog.idle, dog.answer = c.opt.UploadIdle, c.opt.UploadAnswer
	}
	return &http.Client{
		Transport:     dog,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// or returns v, or def if v is the zero value.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// logger returns l, or a logger that discards everything if l is nil.
func logger(l *slog.Logger) *slog.Logger {
	return or(l, slog.New(slog.DiscardHandler))
}
