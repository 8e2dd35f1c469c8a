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

// Access decides who may see what the agent does, and who may change it. All
// that the agent serves to people goes through one Access. It is safe for
// concurrent use.
//
// Once there is a token, whoever calls needs it, on this host too: of a request
// that a proxy on this host has passed on nobody can say where it came from.
//
// Without a token, processes on this host may call, as far as that can be told:
// see [Access.Trusted]. A browser on this host may look and no more.
type Access struct {
	token string
	log   *slog.Logger
	brake brake

	mu      sync.Mutex
	proxied Proxied // guarded by mu
}

// Proxied says what the agent has seen of proxies on its host while there was
// no token. Of a proxy that leaves no trace it sees nothing.
type Proxied struct {
	Requests int       `json:"requests"`       // that were refused
	Last     time.Time `json:"last,omitzero"`  // when
	Host     string    `json:"host,omitempty"` // that the last was for
	Why      string    `json:"why,omitempty"`  // it was not taken for a process of this host
}

// NewAccess returns an Access for a bearer token; "" lets in this host only.
// log may be nil.
func NewAccess(token string, log *slog.Logger) *Access {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Access{token: token, log: log}
}

// TokenSet reports whether a token is needed.
func (a *Access) TokenSet() bool { return a.token != "" }

// Proxied returns what was seen of proxies.
func (a *Access) Proxied() Proxied {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.proxied
}

// Trusted reports whether a request's sender may see what is not for everybody:
// it has the token, or none is set and it is a process on this host.
func (a *Access) Trusted(r *http.Request) bool { return a.check(r) == nil }

// Guard lets requests through whose sender is trusted. One that changes
// something (any but GET and HEAD) is not taken from a browser while no token
// is set, and never from another site's page.
func (a *Access) Guard(next http.Handler) http.Handler {
	// A page of another site must not act through an administrator's browser.
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		no := a.check(r)
		changes := r.Method != http.MethodGet && r.Method != http.MethodHead
		if no == nil && changes && a.token == "" && fromBrowser(r) {
			no = &refusal{why: "a browser may look and no more while STATUS_TOKEN is not set; use jumpserver-video tasks retry"}
		}
		if no != nil {
			no.answer(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusal is why a request is not answered.
type refusal struct {
	why  string
	wait time.Duration // until the next guess; 0 = it is no matter of time
}

func (no refusal) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusUnauthorized
	if no.wait > 0 {
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(int(no.wait/time.Second)+1))
	} else {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Problem{no.why})
}

// check returns why the sender of a request is not trusted; nil if it is.
func (a *Access) check(r *http.Request) *refusal {
	if a.token == "" {
		if why := indirect(r); why != "" {
			a.note(r, why)
			return &refusal{why: "only from this host, or with the bearer token that STATUS_TOKEN sets; this request is " + why}
		}
		return nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return &refusal{why: "this needs the bearer token that STATUS_TOKEN sets"}
	}
	from, wait := a.brake.take(senderOf(r), time.Now())
	if wait > 0 {
		return &refusal{why: "too many wrong tokens have come from this address; wait a moment", wait: wait}
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(a.token)) != 1 {
		return &refusal{why: "this is not the bearer token that STATUS_TOKEN sets"}
	}
	a.brake.give(from, time.Now())
	return nil
}

// note keeps in mind that a proxy on this host passes requests on, and warns
// once.
func (a *Access) note(r *http.Request, why string) {
	if !loopback(r.RemoteAddr) {
		return
	}
	const longest = 255 // bytes of a host's name, with room for a port
	host := r.Host[:min(len(r.Host), longest)]
	a.mu.Lock()
	a.proxied = Proxied{Requests: a.proxied.Requests + 1, Last: time.Now().UTC(), Host: host, Why: why}
	first := a.proxied.Requests == 1
	a.mu.Unlock()
	if first {
		a.log.Warn("a proxy on this host passes requests on to the agent; set STATUS_TOKEN, or whoever reaches a proxy that leaves no trace is taken for this host",
			"host", host, "request", why)
	}
}

// sender is whose guesses are counted together.
type sender struct {
	net     netip.Prefix // its address; of IPv6, where one sender has many, its network
	proxied bool         // it came through a proxy on this host
}

func senderOf(r *http.Request) sender {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil { // no TCP
		return sender{}
	}
	addr := from.Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	net, err := addr.Prefix(bits)
	if err != nil { // the length is right
		panic(err)
	}
	return sender{net: net, proxied: addr.IsLoopback() && indirect(r) != ""}
}
