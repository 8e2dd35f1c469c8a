package upload

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Register adds the API to a mux; see the package comment. Each path is valid with
// and without a trailing slash.
func (s *Server) Register(mux *http.ServeMux) {
	for route, handle := range map[string]http.HandlerFunc{
		"GET /api/v1/users/profile":                               s.login,
		"GET /ws/events":                                          s.events,
		"POST /api/v2/replay/sessions/{session}/task":             s.task,
		"POST /api/v2/replay/sessions/{task}/task/upload/{index}": s.part,
	} {
		mux.HandleFunc(route, handle)
		mux.HandleFunc(route+"/{$}", handle)
	}
}

// Handler returns a handler for only the API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	s.Register(mux)
	return s.Routes(mux)
}

// Routes wraps a mux as clients of Video-Worker need it. Double slashes, as from an
// address that ends with one, are merged without a redirect, after which a client
// may send nothing. Paths that the mux does not know get a JSON response. A body
// that no handler reads does not keep its connection.
func (s *Server) Routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(cmp.Or(s.Unread, unread)))
		}
		r = cleaned(r)
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		said := &head{header: http.Header{}} // 404, or 405 with the allowed methods
		handler.ServeHTTP(said, r)
		if allowed := said.header.Get("Allow"); allowed != "" {
			w.Header().Set("Allow", allowed)
		}
		w.Header().Set("Connection", "close")
		answerError(w, r, said.status, fmt.Errorf("%s %s: %s", r.Method, r.URL.Path, strings.ToLower(http.StatusText(said.status))))
	})
}

// head stores the header of a response and discards the body.
type head struct {
	header http.Header
	status int
}

func (h *head) Header() http.Header         { return h.header }
func (h *head) WriteHeader(status int)      { h.status = status }
func (h *head) Write(b []byte) (int, error) { return len(b), nil }

// cleaned returns a request whose path needs no redirect.
func cleaned(r *http.Request) *http.Request {
	escaped := r.URL.EscapedPath()
	clean := path.Clean(cmp.Or(escaped, "/"))
	if strings.HasSuffix(escaped, "/") && clean != "/" {
		clean += "/"
	}
	plain, err := url.PathUnescape(clean)
	if clean == escaped || err != nil || r.Method == http.MethodConnect {
		return r
	}
	also := new(http.Request)
	*also = *r
	also.URL = new(url.URL)
	*also.URL = *r.URL
	also.URL.Path, also.URL.RawPath = plain, clean
	return also
}
