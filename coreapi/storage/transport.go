package storage

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Options are what the agent adds to core's settings of a storage.
type Options struct {
	// Region is used in place of the one that core names or that is guessed
	// from the endpoint; "" = as core's clients do it.
	Region string
	// Insecure accepts any TLS certificate.
	Insecure bool
	// UserAgent is sent with every request.
	UserAgent string
	// Stall is for how long a connection may make no progress; 0 = 2 min.
	Stall time.Duration
}

// Client is the HTTP client of one storage. It follows no redirect, which
// would not be signed, honours HTTPS_PROXY, fails when a connection makes no
// progress, and counts.
type Client struct {
	http.Client
	requests, sent, received atomic.Int64
}

// NewClient makes the client of a storage.
func NewClient(o Options) *Client {
	stall := o.Stall
	if stall <= 0 {
		stall = 2 * time.Minute
	}
	dialer := &net.Dialer{Timeout: 20 * time.Second}
	c := &Client{}
	c.Transport = &counting{client: c, next: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &moving{Conn: conn, stall: stall}, nil
		},
		TLSHandshakeTimeout: 20 * time.Second,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: o.Insecure, MinVersion: tls.VersionTLS12}, //nolint:gosec // asked for
		IdleConnTimeout:     60 * time.Second,
		MaxIdleConnsPerHost: 8,
		DisableCompression:  true, // recordings are objects with gzip in them, not gzipped answers
	}}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// Usage is what has gone over the client.
func (c *Client) Usage() Usage {
	return Usage{Requests: c.requests.Load(), Sent: c.sent.Load(), Received: c.received.Load()}
}

// moving is a connection that fails when nothing moves on it in either
// direction.
type moving struct {
	net.Conn
	stall time.Duration
}

func (m *moving) Read(p []byte) (int, error) {
	_ = m.SetDeadline(time.Now().Add(m.stall))
	return m.Conn.Read(p)
}

func (m *moving) Write(p []byte) (int, error) {
	_ = m.SetDeadline(time.Now().Add(m.stall))
	return m.Conn.Write(p)
}

// counting counts requests and the bytes of bodies.
type counting struct {
	client *Client
	next   http.RoundTripper
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.client.requests.Add(1)
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = &countedBody{r.Body, &c.client.sent}
		if r.ContentLength == 0 {
			noChunks(r)
		}
	}
	resp, err := c.next.RoundTrip(r)
	if err == nil && resp.Body != nil && resp.Body != http.NoBody {
		resp.Body = &countedBody{resp.Body, &c.client.received}
	}
	return resp, err
}

// noChunks keeps an empty body, whose length looks unknown, from being sent
// in chunks: storages want to be told the length.
func noChunks(r *http.Request) {
	b := bufio.NewReaderSize(r.Body, 16)
	if _, err := b.Peek(1); errors.Is(err, io.EOF) {
		r.Body.Close()
		r.Body = http.NoBody
		return
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{b, r.Body}
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}
