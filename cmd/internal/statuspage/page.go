// Package statuspage is the page at /video-worker/ on which people see what
// the agent does: live queue, throughput, CPU, space saved, failures with
// their reasons, the log of each task, and how core and the volume are.
//
// # Who sees what
//
// The page itself is the same for everybody and holds no data. It asks
// [StatusPath] and the task API, which answer those who have the token that
// STATUS_TOKEN sets; while none is set, users of this host, who may look and no
// more. The token is typed into the page, kept for the life of the browser's
// tab and sent as a header: there is no cookie that another site's page could
// make use of.
//
// No recording, video or secret is ever part of an answer.
//
// # How it is made
//
// Plain HTML, CSS and JavaScript modules, embedded, without a build step and
// without anything from elsewhere. All addresses are relative, so that the
// page works below any prefix of a reverse proxy. A strict Content Security
// Policy forbids all else.
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

	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// Path is where the page lives, and StatusPath what it asks for.
const (
	Path       = "/video-worker/"
	StatusPath = taskapi.Prefix + "/status"
)

//go:embed assets
var assets embed.FS

// policy forbids everything but the page's own files and calls.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register adds the page and its status call to a server.
func (s *Server) Register(mux *http.ServeMux) {
	mux.Handle("GET "+Path+"{$}", file("index.html"))
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil { // they are part of the program
		panic(err)
	}
	for _, e := range entries {
		mux.Handle("GET "+Path+"assets/"+e.Name(), file(e.Name()))
	}
	// Relative, so that it stays below the prefix of a reverse proxy.
	mux.HandleFunc("GET "+strings.TrimSuffix(Path, "/"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", path.Base(Path)+"/")
		w.WriteHeader(http.StatusFound)
	})
	mux.Handle("GET "+StatusPath, s.Access.Guard(http.HandlerFunc(s.serveStatus)))
}

// file serves one of the page's files.
func file(name string) http.Handler {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil { // they are part of the program
		panic(err)
	}
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
		h.Set("Cache-Control", "no-cache") // asked for each time, answered 304
		h.Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	})
}

// contentType is independent of the host's table of types for text.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}
