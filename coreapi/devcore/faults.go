package devcore

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Fault makes matching requests fail. The zero value of each field is harmless:
// with only a Delay, a Fault sends the right response late.
type Fault struct {
	Method string         // "" = any
	Path   *regexp.Regexp // matched against the path without query; nil = any
	Times  int            // how many requests it hits; 0 = until removed

	// Read reads that many bytes of the body first, to fail in the middle of an
	// upload.
	Read int64
	// Delay waits before responding or cutting. It ends early if the caller
	// disconnects or core is closed.
	Delay time.Duration
	// After processes the request first, with all its effects: only the response is
	// lost.
	After bool

	// Cut closes the connection without a response.
	Cut bool
	// Status, Header and Body replace the response; Status 0 = the true response.
	Status int
	Header map[string]string
	Body   string
}

// fault is a Fault that is active.
type fault struct {
	Fault
	left int // -1 = forever
}

// Fail activates a fault, which takes precedence over earlier ones. It returns a
// function that removes it.
func (c *Core) Fail(f Fault) (remove func()) {
	in := &fault{Fault: f, left: f.Times}
	if f.Times == 0 {
		in.left = -1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append([]*fault{in}, c.faults...)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		in.left = 0
	}
}

// takeFault returns the fault for this request, nil for no fault.
func (c *Core) takeFault(r *http.Request) *fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		if f.left == 0 || f.Method != "" && f.Method != r.Method || f.Path != nil && !f.Path.MatchString(r.URL.Path) {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		return f
	}
	return nil
}

// fail responds as the fault says.
func (c *Core) fail(f *fault, rec *recorder, r *http.Request) {
	c.log.Debug("fault", "method", r.Method, "path", r.URL.Path, "cut", f.Cut, "status", f.Status)
	if f.Read > 0 {
		// A body that is shorter makes no difference.
		_, _ = io.CopyN(io.Discard, r.Body, f.Read)
	}
	alters := f.Cut || f.Status != 0
	if f.After && alters {
		c.serve(&recorder{ResponseWriter: silent(http.Header{}), core: c, entry: rec.entry, lost: true}, r)
	}
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		case <-c.ctx.Done():
		}
	}
	switch {
	case f.Cut:
		// The documented way to close a connection from within a handler.
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		for k, v := range f.Header {
			rec.Header().Set(k, v)
		}
		if rec.Header().Get("Content-Type") == "" {
			rec.Header().Set("Content-Type", "application/json")
		}
		rec.Header().Set("Content-Length", strconv.Itoa(len(f.Body)))
		rec.WriteHeader(f.Status)
		_, _ = io.WriteString(rec, f.Body) // the caller may have disconnected
	default:
		c.serve(rec, r)
	}
}

// silent discards a response.
type silent http.Header

func (s silent) Header() http.Header         { return http.Header(s) }
func (s silent) Write(p []byte) (int, error) { return len(p), nil }
func (s silent) WriteHeader(int)             {}
