package devcore

import (
	"net/http"
	"strings"
	"time"
)

// Request is what core remembers of a request: nothing secret.
type Request struct {
	Time   time.Time // arrival, by core's clock
	Method string
	Path   string // without query
	Query  string
	Org    string // X-JMS-ORG as sent
	User   string // name of the caller, "" when not authenticated
	// Status of the answer; 0 while there is none, or when the connection was
	// cut instead.
	Status int
	// Body is the JSON of a PATCH or of a lifecycle event.
	Body string
}

// maxRequests bounds the log.
const maxRequests = 10000

// Requests returns the latest requests in the order of their arrival. When a
// caller has its answer, its request is in it.
func (c *Core) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := make([]Request, len(c.requests))
	for i, r := range c.requests {
		log[i] = *r
	}
	return log
}

// Silence is the longest time without a heartbeat since a moment.
func (c *Core) Silence(since time.Time) time.Duration {
	longest := time.Duration(0)
	for _, r := range c.Requests() {
		if strings.HasSuffix(r.Path, "/status/") && r.Status < 300 && r.Time.After(since) {
			longest = max(longest, r.Time.Sub(since))
			since = r.Time
		}
	}
	return max(longest, c.opt.Now().Sub(since))
}

// ForgetRequests empties the log.
func (c *Core) ForgetRequests() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = nil
}

// record enters a request into the log.
func (c *Core) record(r *http.Request) *Request {
	e := &Request{
		Time: c.opt.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Org: r.Header.Get("X-JMS-ORG"),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) >= maxRequests {
		c.requests = c.requests[1:]
	}
	c.requests = append(c.requests, e)
	return e
}

// note changes an entry of the log.
func (c *Core) note(e *Request, change func(*Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(e)
}

// recorder writes the status of an answer to the log before the caller can see
// the answer.
type recorder struct {
	http.ResponseWriter
	core  *Core
	entry *Request
	lost  bool // nobody gets the answer
}

func (r *recorder) WriteHeader(status int) {
	if !r.lost && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		r.core.note(r.entry, func(e *Request) { e.Status = status })
		r.core.log.Debug("request", "method", r.entry.Method, "path", r.entry.Path, "status", status)
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController and WebSockets reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
