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

// Register adds the API to a mux; see the package comment. Each address is
// good with and without a slash at its end.
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

// Handler answers the API alone.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	s.Register(mux)
	return s.Routes(mux)
}

// Routes serves a mux in the way that clients of Video-Worker need. Doubled
// slashes, as from an address that ends with one, lead where they are meant to
// and not to a redirect, after which a client may send nothing. What the mux
// does not know is answered in JSON. A body that nobody wants does not hold its
// connection.
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
		said := &head{header: http.Header{}} // 404, or 405 with what is allowed
		handler.ServeHTTP(said, r)
		if allowed := said.header.Get("Allow"); allowed != "" {
			w.Header().Set("Allow", allowed)
		}
		w.Header().Set("Connection", "close")
		answerError(w, said.status, fmt.Errorf("%s %s: %s", r.Method, r.URL.Path, strings.ToLower(http.StatusText(said.status))))
	})
}

// head is the beginning of an answer whose body nobody wants.
type head struct {
	header http.Header
	status int
}

func (h *head) Header() http.Header         { return h.header }
func (h *head) WriteHeader(status int)      { h.status = status }
func (h *head) Write(b []byte) (int, error) { return len(b), nil }

// cleaned is a request whose path needs no redirect.
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
