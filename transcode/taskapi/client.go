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

	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// ErrNoAgent means that there was no response, or not that of an agent.
var ErrNoAgent = errors.New("no agent responds")

// Client calls a running agent. What the agent refuses is returned as a [*Problem]. Other
// errors are [ErrNoAgent], and those of reading the response.
type Client struct {
	Base  string // scheme, host and port
	Token string // bearer token; "" if none is set
	HTTP  *http.Client
}

// Local returns a client of the agent on this host that listens on port at the address
// bind. If cert is not "", the client uses TLS and accepts only the certificate in that PEM
// file, whatever name it is for.
func Local(bind string, port int, token, cert string) *Client {
	if ip := net.ParseIP(bind); ip == nil || ip.IsUnspecified() {
		bind = "127.0.0.1"
	}
	c := &Client{
		Base: "http://" + net.JoinHostPort(bind, strconv.Itoa(port)), Token: token,
	}
	transport := &http.Transport{IdleConnTimeout: time.Minute} // without a proxy, which would see the token
	if cert != "" {
		c.Base = "https" + strings.TrimPrefix(c.Base, "http")
		transport.TLSClientConfig = &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection compares it
			VerifyConnection:   func(c tls.ConnectionState) error { return verify(cert, c.PeerCertificates) },
		}
	}
	c.HTTP = &http.Client{Timeout: 30 * time.Second, Transport: transport}
	return c
}

// verify returns an error unless a chain begins with the first certificate in a PEM file.
func verify(file string, chain []*x509.Certificate) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(data)
	if block == nil || len(chain) == 0 || !bytes.Equal(block.Bytes, chain[0].Raw) {
		return fmt.Errorf("the server has another certificate than the one in %s", file)
	}
	return nil
}

// Tasks returns all tasks, the latest change first.
func (c *Client) Tasks(ctx context.Context) ([]task.View, error) {
	var views []task.View
	return views, c.call(ctx, http.MethodGet, "/tasks", &views)
}

// List returns a page of the tasks that a filter selects: at most limit, from the cursor of
// the previous page on ("" = the first page).
func (c *Client) List(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	v := f.values()
	v.Set(atMost, strconv.Itoa(limit))
	if cursor != "" {
		v.Set(after, cursor)
	}
	var page Page
	header, err := c.callFor(ctx, http.MethodGet, "/tasks?"+v.Encode(), &page.Tasks)
	if err != nil {
		return page, err
	}
	page.Next = header.Get(headerNext)
	page.Total, err = strconv.Atoi(header.Get(headerTotal))
	if err != nil {
		return page, fmt.Errorf("%w at %s that supports pages: it is of an earlier release", ErrNoAgent, c.Base)
	}
	return page, nil
}

// All returns all tasks that a filter selects.
func (c *Client) All(ctx context.Context, f Filter) ([]task.View, error) {
	var views []task.View
	return views, c.call(ctx, http.MethodGet, "/tasks?"+f.values().Encode(), &views)
}

// Task returns one task. id may be the beginning of its id.
func (c *Client) Task(ctx context.Context, id string) (task.View, error) {
	var v task.View
	return v, c.call(ctx, http.MethodGet, "/tasks/"+url.PathEscape(id), &v)
}

// Log returns a task's log. id may be the beginning of its id.
func (c *Client) Log(ctx context.Context, id string) (string, error) {
	var text string
	return text, c.call(ctx, http.MethodGet, "/tasks/"+url.PathEscape(id)+"/log", &text)
}

// Retry retries one task. accept is "", or [Incomplete] to convert an incomplete recording.
func (c *Client) Retry(ctx context.Context, id, accept string) error {
	return c.call(ctx, http.MethodPost, "/tasks/"+url.PathEscape(id)+"/retry?accept="+url.QueryEscape(accept), &Retried{})
}

// RetryAll retries all tasks that a filter selects and for which [Filter.Retries] returns
// true. It returns how many. accept is as in Retry.
func (c *Client) RetryAll(ctx context.Context, f Filter, accept string) (int, error) {
	var r Retried
	v := f.values()
	v.Set("accept", accept)
	err := c.call(ctx, http.MethodPost, "/retry?"+v.Encode(), &r)
	return r.Retried, err
}

// First makes a task the next one that is processed.
func (c *Client) First(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/tasks/"+url.PathEscape(id)+"/next", &Retried{})
}

// Steering returns the settings that an operator has changed at run time.
func (c *Client) Steering(ctx context.Context) (steering.Status, error) {
	var s steering.Status
	return s, c.call(ctx, http.MethodGet, "/steering", &s)
}

// Pause pauses all work of the agent, or resumes it.
func (c *Client) Pause(ctx context.Context, pause bool) (steering.Status, error) {
	return c.steer(ctx, url.Values{paused: {strconv.FormatBool(pause)}})
}

// Limit sets the CPU target in percent and the number of workers. 0 restores what is
// configured, and nil changes nothing.
func (c *Client) Limit(ctx context.Context, target, atOnce *int) (steering.Status, error) {
	v := url.Values{}
	if target != nil {
		v.Set(cpuTarget, strconv.Itoa(*target))
	}
	if atOnce != nil {
		v.Set(workers, strconv.Itoa(*atOnce))
	}
	return c.steer(ctx, v)
}

func (c *Client) steer(ctx context.Context, v url.Values) (steering.Status, error) {
	var s steering.Status
	return s, c.call(ctx, http.MethodPost, "/steering?"+v.Encode(), &s)
}

// Trash returns the originals in the agent's trash of the sessions whose ids begin with
// session; "" = of all sessions.
func (c *Client) Trash(ctx context.Context, session string) ([]task.Trashed, error) {
	var items []task.Trashed
	return items, c.call(ctx, http.MethodGet, "/trash?session="+url.QueryEscape(session), &items)
}

// Restore moves the originals of a session back to where they were.
func (c *Client) Restore(ctx context.Context, session string) ([]task.Trashed, error) {
	var items []task.Trashed
	patient := *c
	patient.HTTP = &http.Client{Transport: c.HTTP.Transport, Timeout: restoreTimeout}
	return items, patient.call(ctx, http.MethodPost, "/trash/"+url.PathEscape(session)+"/restore", &items)
}

// Proxied returns what the agent has noticed of proxies on its host.
func (c *Client) Proxied(ctx context.Context) (Proxied, error) {
	var p Proxied
	return p, c.call(ctx, http.MethodGet, "/access", &p)
}

// Ask gets a path below [Prefix] that this package has no type for, and decodes the JSON of
// the response into to.
func (c *Client) Ask(ctx context.Context, path string, to any) error {
	return c.call(ctx, http.MethodGet, path, to)
}

// Get gets any page of the agent, with the token. The caller must close the response's
// body.
func (c *Client) Get(ctx context.Context, path string) (*http.Response, error) {
	return c.send(ctx, http.MethodGet, path)
}

// call sends one request below [Prefix] and decodes its response into to: a *string gets
// the whole body, any other type is decoded from JSON.
func (c *Client) call(ctx context.Context, method, path string, to any) error {
	_, err := c.callFor(ctx, method, path, to)
	return err
}

// callFor is call, and also returns the response's header.
func (c *Client) callFor(ctx context.Context, method, path string, to any) (http.Header, error) {
	resp, err := c.send(ctx, method, Prefix+path)
	if err != nil {
		return nil, err
	}
	return resp.Header, c.decode(resp, to)
}

// decode decodes a response as call does, and closes its body.
func (c *Client) decode(resp *http.Response, to any) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return fmt.Errorf("read the agent's response: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		p := &Problem{}
		if json.Unmarshal(body, p) != nil || p.Text == "" {
			return fmt.Errorf("%w at %s, but something else: %s", ErrNoAgent, c.Base, resp.Status)
		}
		return p
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
	req.Header.Set("User-Agent", userAgent())
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrNoAgent, c.Base, err)
	}
	return resp, nil
}
