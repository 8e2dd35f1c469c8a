package taskapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// ErrNoAgent is what calls fail with when nothing answers, or something that is
// no agent.
var ErrNoAgent = errors.New("no agent answers")

// Client talks to a running agent.
type Client struct {
	Base  string // scheme, host and port
	Token string // bearer token; empty where none is set
	HTTP  *http.Client
}

// Local is a client of the agent on this host that listens on port at bind,
// with the TLS certificate in the PEM file cert unless that is "": that very
// certificate is asked for, whatever name it is for.
func Local(bind string, port int, token, cert string) *Client {
	if ip := net.ParseIP(bind); ip == nil || ip.IsUnspecified() {
		bind = "127.0.0.1"
	}
	c := &Client{
		Base: "http://" + net.JoinHostPort(bind, strconv.Itoa(port)), Token: token,
	}
	transport := &http.Transport{IdleConnTimeout: time.Minute} // without a proxy: that would be told the token
	if cert != "" {
		c.Base = "https" + strings.TrimPrefix(c.Base, "http")
		transport.TLSClientConfig = &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // it is compared
			VerifyConnection:   func(c tls.ConnectionState) error { return same(cert, c.PeerCertificates) },
		}
	}
	c.HTTP = &http.Client{Timeout: 30 * time.Second, Transport: transport}
	return c
}

// same tells whether a chain begins with the certificate in a PEM file.
func same(file string, chain []*x509.Certificate) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(data)
	if block == nil || len(chain) == 0 || !bytes.Equal(block.Bytes, chain[0].Raw) {
		return fmt.Errorf("what answers has another certificate than %s", file)
	}
	return nil
}

// Tasks lists all tasks, the one that changed last first.
func (c *Client) Tasks(ctx context.Context) ([]task.View, error) {
	var views []task.View
	return views, c.call(ctx, http.MethodGet, "/tasks", &views)
}

// Task is one task.
func (c *Client) Task(ctx context.Context, id string) (task.View, error) {
	var v task.View
	return v, c.call(ctx, http.MethodGet, "/tasks/"+url.PathEscape(id), &v)
}

// Log is a task's log.
func (c *Client) Log(ctx context.Context, id string) (string, error) {
	var text string
	return text, c.call(ctx, http.MethodGet, "/tasks/"+url.PathEscape(id)+"/log", &text)
}

// Retry puts one task back.
func (c *Client) Retry(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/tasks/"+url.PathEscape(id)+"/retry", &Retried{})
}

// RetryClass puts back all tasks that failed for a reason, and counts them.
func (c *Client) RetryClass(ctx context.Context, class queue.Class) (int, error) {
	var r Retried
	return r.Retried, c.call(ctx, http.MethodPost, "/retry?reason="+url.QueryEscape(string(class)), &r)
}

// Proxied returns what the agent has seen of proxies on its host.
func (c *Client) Proxied(ctx context.Context) (Proxied, error) {
	var p Proxied
	return p, c.call(ctx, http.MethodGet, "/access", &p)
}

// Get asks the agent for any of its pages, with the token. The caller closes
// the answer's body.
func (c *Client) Get(ctx context.Context, path string) (*http.Response, error) {
	return c.send(ctx, http.MethodGet, path)
}

// call makes one request and decodes its answer into to: a *string takes the
// body as it is, anything else takes JSON.
func (c *Client) call(ctx context.Context, method, path string, to any) error {
	resp, err := c.send(ctx, method, Prefix+path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var p Problem
		if json.Unmarshal(body, &p) != nil || p.Error == "" {
			return fmt.Errorf("%w at %s, but something else: %s", ErrNoAgent, c.Base, resp.Status)
		}
		return fmt.Errorf("agent: %s", p.Error)
	}
	if text, ok := to.(*string); ok {
		*text = string(body)
		return nil
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("%w at %s, but something else: %w", ErrNoAgent, c.Base, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, nil)
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrNoAgent, c.Base, err)
	}
	return resp, nil
}
