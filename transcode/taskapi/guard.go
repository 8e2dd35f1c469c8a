package taskapi

import (
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Access decides who may see what the agent does, and who may change it. All pages and
// calls of the agent for people use one Access. It is safe for concurrent use.
//
// If a token is set, every caller needs it, on this host too: the origin of a request that
// a proxy on this host has forwarded is not known.
//
// Without a token, processes on this host may call, as far as the agent can recognize
// them: see [Access.Trusted]. A browser on this host may only read.
type Access struct {
	token   string
	log     *slog.Logger
	guesses limiter

	mu      sync.Mutex
	proxied Proxied // guarded by mu
}

// Proxied is what the agent has noticed of proxies on its host while no token was set. It
// does not notice a proxy that forwards requests unchanged.
type Proxied struct {
	Requests int       `json:"requests"`       // how many were refused
	Last     time.Time `json:"last,omitzero"`  // when the last of them came
	Host     string    `json:"host,omitempty"` // the host name that the last one was for
	Why      string    `json:"why,omitempty"`  // why the last one was refused: it was …
}

// NewAccess returns an Access for a bearer token; with "", only processes on this host may
// call. log may be nil.
func NewAccess(token string, log *slog.Logger) *Access {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Access{token: token, log: log}
}

// TokenSet reports whether a token is needed.
func (a *Access) TokenSet() bool { return a.token != "" }

// Proxied returns what the agent has noticed of proxies.
func (a *Access) Proxied() Proxied {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.proxied
}

// Trusted reports whether a request's sender may see what is not public: it has the token,
// or no token is set and the sender is a process on this host.
func (a *Access) Trusted(r *http.Request) bool { return a.check(r) == nil }

// Guard returns a handler that passes requests of trusted senders to next, and refuses all
// others. Requests with another method than GET and HEAD are also refused from a browser
// while no token is set, and always from another site's page.
func (a *Access) Guard(next http.Handler) http.Handler {
	// A page of another site must not act through an administrator's browser.
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		refused := a.check(r)
		changes := r.Method != http.MethodGet && r.Method != http.MethodHead
		if refused == nil && changes && a.token == "" && fromBrowser(r) {
			refused = &refusal{code: CodeLookOnly, why: "a browser may only read while STATUS_TOKEN is not set; use the command jumpserver-video"}
		}
		if refused != nil {
			refused.respond(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusal is the reason why a request is refused.
type refusal struct {
	code string        // one of Codes
	why  string        // for people
	wait time.Duration // until another token may be tried; 0 = waiting does not help
}

func (f refusal) respond(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusUnauthorized
	if f.wait > 0 {
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(int(f.wait/time.Second)+1))
	} else {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Problem{f.why, f.code})
}

// check returns why the sender of a request is not trusted; nil if it is.
func (a *Access) check(r *http.Request) *refusal {
	if a.token == "" {
		if why := indirect(r); why != "" {
			a.noteProxy(r, why)
			return &refusal{code: CodeOtherHost, why: "only from this host, or with the bearer token that STATUS_TOKEN sets; this request is " + why}
		}
		return nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return &refusal{code: CodeNoToken, why: "this needs the bearer token that STATUS_TOKEN sets"}
	}
	from, wait := a.guesses.reserve(senderOf(r), time.Now())
	if wait > 0 {
		return &refusal{code: CodeGuesses, why: "too many wrong tokens have come from this address; wait a moment", wait: wait}
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(a.token)) != 1 {
		return &refusal{code: CodeWrongToken, why: "this is not the bearer token that STATUS_TOKEN sets"}
	}
	a.guesses.cancel(from, time.Now())
	return nil
}

// noteProxy records a refused request that a proxy on this host has forwarded, and logs a
// warning for the first one. It ignores requests from other hosts.
func (a *Access) noteProxy(r *http.Request, why string) {
	if !loopback(r.RemoteAddr) {
		return
	}
	const maxHost = 255 // bytes of a host's name with its port
	host := r.Host[:min(len(r.Host), maxHost)]
	a.mu.Lock()
	a.proxied = Proxied{Requests: a.proxied.Requests + 1, Last: time.Now().UTC(), Host: host, Why: why}
	first := a.proxied.Requests == 1
	a.mu.Unlock()
	if first {
		a.log.Warn("a proxy on this host forwards requests to the agent; set STATUS_TOKEN, because requests that a proxy forwards unchanged are treated like those of this host",
			"host", host, "request", why)
	}
}

// sender identifies those whose wrong tokens are counted together.
type sender struct {
	net     netip.Prefix // the address for IPv4; the /64 network for IPv6, where a sender has many addresses
	proxied bool         // the request came through a proxy on this host
}

func senderOf(r *http.Request) sender {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil { // not TCP
		return sender{}
	}
	addr := from.Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	net, err := addr.Prefix(bits)
	if err != nil { // the length is valid
		panic(err)
	}
	return sender{net: net, proxied: addr.IsLoopback() && indirect(r) != ""}
}
