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

// Options are the agent's own settings, in addition to core's settings of a
// storage.
type Options struct {
	// Region replaces the region that core names or that is guessed from the
	// endpoint; "" = the same region as core's clients use.
	Region string
	// Insecure accepts any TLS certificate.
	Insecure bool
	// UserAgent is sent with every request.
	UserAgent string
	// Stall is how long a connection may make no progress; 0 = 2 min.
	Stall time.Duration
}

// Client is the HTTP client of one storage. It follows no redirect, which would not
// be signed. It respects HTTPS_PROXY, fails if a connection makes no progress, and
// counts requests and bytes.
type Client struct {
	http.Client
	requests, sent, received atomic.Int64
}

// NewClient returns the client of a storage.
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
		DisableCompression:  true, // recordings are gzip files, not compressed responses
	}}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// Usage returns what the client has requested.
func (c *Client) Usage() Usage {
	return Usage{Requests: c.requests.Load(), Sent: c.sent.Load(), Received: c.received.Load()}
}

// moving is a connection that fails if it makes no progress in either direction.
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

// noChunks keeps an empty body, whose length seems unknown, from being sent in
// chunks: storages require the length.
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
