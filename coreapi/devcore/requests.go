package devcore

import (
	"net/http"
	"strings"
	"time"
)

// Request is an entry of core's request log, without secrets.
type Request struct {
	Time   time.Time // arrival, by core's clock
	Method string
	Path   string // without query
	Query  string
	Org    string // X-JMS-ORG as sent
	User   string // name of the caller, "" when not authenticated
	// Status of the response; 0 before the response, or if the connection was
	// closed without one.
	Status int
	// Body is the JSON of a PATCH or of a lifecycle event.
	Body string
}

// maxRequests limits the log.
const maxRequests = 10000

// Requests returns the latest requests in the order of their arrival. A request is
// in the log before its caller gets the response.
func (c *Core) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := make([]Request, len(c.requests))
	for i, r := range c.requests {
		log[i] = *r
	}
	return log
}

// Silence returns the longest time without a heartbeat after since.
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

// ForgetRequests clears the log.
func (c *Core) ForgetRequests() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = nil
}

// record adds a request to the log.
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

// recorder writes the status of a response to the log before the caller can see the
// response.
type recorder struct {
	http.ResponseWriter
	core  *Core
	entry *Request
	lost  bool // the response is discarded
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
