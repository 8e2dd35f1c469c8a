package devcore

import (
	"net/http"
	"os"
	"path"
	"strings"
)

// loginCookie is the cookie of a browser session.
const loginCookie = "jms_sessionid"

// Login returns the cookie of a browser in which an administrator is logged in.
// Only this cookie gives access to /media/; signatures are ignored there.
func (c *Core) Login() *http.Cookie {
	token := randomText(32)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logins[token] = true
	return &http.Cookie{Name: loginCookie, Value: token, Path: "/"}
}

// serveMedia handles /media/ as core and nginx do together: ranges work, and a
// video that nginx may not read gets a 403.
func (c *Core) serveMedia(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(loginCookie)
	c.mu.Lock()
	known := err == nil && c.logins[cookie.Value]
	c.mu.Unlock()
	rel := strings.TrimPrefix(r.URL.Path, mediaURL)
	if !known || strings.Contains(rel, "..") || !strings.HasPrefix(rel, replayDir+"/") {
		forbidden().send(w)
		return
	}
	rel = path.Clean(rel)
	f, err := os.Open(c.abs(rel))
	if err != nil {
		unrouted().send(w)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil || st.IsDir():
		unrouted().send(w)
	case c.denied(c.rules(), rel):
		forbidden().send(w)
	default:
		if strings.HasSuffix(rel, ".gz") {
			w.Header().Set("Content-Type", "application/gzip")
		}
		http.ServeContent(w, r, path.Base(rel), st.ModTime(), f)
	}
}
