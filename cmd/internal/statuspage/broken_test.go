package statuspage

import (
	"net/http"
	"strings"
	"testing"
)

// TestABrokenResponseIsReported in the page's language, also if the connection ends
// within the body.
func TestABrokenResponseIsReported(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, ""), newBrowser(t)
	whole := l.server.Config.Handler
	l.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/log") {
			whole.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "1000")
		if _, err := w.Write([]byte("the beginning")); err != nil {
			t.Error(err)
		}
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	b.open(l.server.URL + Path + "#" + failed)
	b.until(`document.getElementById('task-log').textContent === 'The agent does not respond.'`)
	b.expected("ERR_")
}
