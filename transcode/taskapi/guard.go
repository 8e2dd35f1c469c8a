package taskapi

import (
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// Guard lets a request through that comes from this host, or carries the
// bearer token when one is set. A request that came through a proxy is not
// from this host, and neither is one for another host's name: that is how a
// web page would reach a server on loopback.
//
// A request that changes something (any but GET and HEAD) needs the token
// once one is set, and from a browser always: without a token, a browser on
// this host may look and no more.
func Guard(token string, next http.Handler) http.Handler {
	// A page of another site must not act through an administrator's browser.
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		looks := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case HasToken(r, token):
		case !fromHere(r):
			refuse(w, "only from this host, or with the bearer token that STATUS_TOKEN sets")
			return
		case looks:
		case token != "":
			refuse(w, "this needs the bearer token that STATUS_TOKEN sets")
			return
		case fromBrowser(r):
			refuse(w, "a browser may look and no more while STATUS_TOKEN is not set; use jumpserver-video tasks retry")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("WWW-Authenticate", "Bearer")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"error":"` + why + `"}` + "\n"))
}

// HasToken tells whether a request carries the token, and one is set.
func HasToken(r *http.Request, token string) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1
}

func fromHere(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	return loopback(r.RemoteAddr) && loopback(r.Host)
}

// fromBrowser tells whether a request was made by a page: every browser of
// today says so with one of these.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// loopback tells whether host, with or without port, is this machine's own.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
