// Package statuspage is the page at /video-worker/, which shows what the agent does:
// the live queue, throughput, CPU, saved space, failures with their reasons, the log
// of each task, and the state of core and of the volume.
//
// # Access
//
// The page itself is the same for everybody and contains no data. It requests
// [StatusPath] and the task API, which require the token that is set in STATUS_TOKEN.
// If no token is set, users of this host have read-only access. The user types the
// token into the page. The browser stores it until its tab is closed, and sends it as
// a header. There is no cookie that the page of another site could misuse.
//
// Responses never contain recordings, videos or secrets.
//
// # Implementation
//
// The page is plain HTML, CSS and JavaScript modules. They are embedded, need no build
// step, and load nothing from other servers. All addresses are relative, so that the
// page works below any prefix of a reverse proxy. A strict Content Security Policy
// forbids everything else.
package statuspage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// Path is the URL path of the page, and StatusPath that of its data.
const (
	Path       = "/video-worker/"
	StatusPath = taskapi.Prefix + "/status"
)

//go:embed assets
var assets embed.FS

// policy forbids everything except the page's own files and calls.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register adds the page and its status call to a server.
func (s *Server) Register(mux *http.ServeMux) {
	mux.Handle("GET "+Path+"{$}", file("index.html"))
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil { // impossible: the files are embedded
		panic(err)
	}
	for _, e := range entries {
		mux.Handle("GET "+Path+"assets/"+e.Name(), file(e.Name()))
	}
	for _, l := range i18n.Langs {
		mux.Handle("GET "+Path+"assets/strings."+string(l)+".json", serve("strings.json", l.Strings("page", "health", "reason", "hint", "state", "problem", "raw", "report", "rights", "unit")))
	}
	// The redirect is relative, so that it stays below the prefix of a reverse proxy.
	mux.HandleFunc("GET "+strings.TrimSuffix(Path, "/"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", path.Base(Path)+"/")
		w.WriteHeader(http.StatusFound)
	})
	mux.Handle("GET "+StatusPath, s.Access.Guard(http.HandlerFunc(s.serveStatus)))
}

// file serves one of the page's files.
func file(name string) http.Handler {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil { // impossible: the files are embedded
		panic(err)
	}
	return serve(name, data)
}

// serve serves data with the content type of a name.
func serve(name string, data []byte) http.Handler {
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Content-Type", contentType(name))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache") // requested each time, usually with the response 304
		h.Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	})
}

// contentType does not depend on the host's table of MIME types.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}
