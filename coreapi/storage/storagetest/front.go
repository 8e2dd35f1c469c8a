package storagetest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Front is a proxy in front of a server that makes requests fail. It passes on the
// Host header, which is part of the signature.
type Front struct {
	URL *url.URL

	mu    sync.Mutex
	spoil func(r *http.Request) Fault
	Seen  []string // method and path with query of each request
}

// Fault is what happens to a request. The zero value does nothing.
type Fault struct {
	// CutUpload closes the connection after that many bytes of the request's body.
	CutUpload int64
	// CutDownload closes it after that many bytes of the response's body.
	CutDownload int64
	// LoseAnswer closes the connection after the server has acted.
	LoseAnswer bool
	// Flip changes a bit of the request's body.
	Flip bool
	// Status is the response, with Body and Header; the server does not get the
	// request. A Header without a Status is added to the server's own response.
	Status int
	Body   string
	Header http.Header
}

// NewFront starts a front for the server at target.
func NewFront(t testing.TB, target *url.URL) *Front {
	t.Helper()
	f := &Front{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(proxy, w, r) }))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = target.Path
	f.URL = u
	return f
}

// Spoil sets the function that returns the fault of each request from now on; nil =
// no faults.
func (f *Front) Spoil(spoil func(*http.Request) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spoil = spoil
}

// Requests lists the requests so far.
func (f *Front) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.Seen...)
}

func (f *Front) serve(proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.Seen = append(f.Seen, r.Method+" "+r.URL.RequestURI())
	var fault Fault
	if f.spoil != nil {
		fault = f.spoil(r)
	}
	f.mu.Unlock()
	switch {
	case fault.CutUpload > 0:
		_, _ = io.CopyN(io.Discard, r.Body, fault.CutUpload)
		panic(http.ErrAbortHandler)
	case fault.LoseAnswer:
		proxy.ServeHTTP(&discard{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case fault.Status > 0:
		_, _ = io.Copy(io.Discard, r.Body)
		for name, values := range fault.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(fault.Status)
		_, _ = io.WriteString(w, fault.Body)
		return
	case len(fault.Header) > 0:
		maps.Copy(w.Header(), fault.Header)
	case fault.Flip:
		r.Body = &flipped{ReadCloser: r.Body}
	case fault.CutDownload > 0:
		w = &short{ResponseWriter: w, left: fault.CutDownload}
	}
	proxy.ServeHTTP(w, r)
}

// XMLError returns an error in the form of S3 and Azure.
func XMLError(status int, code string) Fault {
	return Fault{
		Status: status, Header: http.Header{"Content-Type": {"application/xml"}, "X-Ms-Error-Code": {code}},
		Body: fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>said by the test</Message></Error>`, code),
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

type short struct {
	http.ResponseWriter
	left int64
}

func (s *short) Write(p []byte) (int, error) {
	n := min(int64(len(p)), s.left)
	written, err := s.ResponseWriter.Write(p[:n])
	if s.left -= n; s.left == 0 {
		_ = http.NewResponseController(s.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return written, err
}

// flipped changes the first byte.
type flipped struct {
	io.ReadCloser
	done bool
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 0 && !f.done {
		p[0] ^= 1
		f.done = true
	}
	return n, err
}
