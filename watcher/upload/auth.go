package upload

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Account is core's account of a caller.
type Account struct {
	ID      string
	Service bool // a component, not a person
	Valid   bool
}

// Errors of a Check.
var (
	ErrSignature = errors.New("core does not accept the signature")
	ErrNoCore    = errors.New("core is unreachable")
)

// Check asks core which account signed a GET /api/v1/users/profile/ with these
// headers. Its errors wrap [ErrSignature] or [ErrNoCore].
type Check func(ctx context.Context, authorization, date, org string) (Account, error)

// Auth authenticates callers: by a signature that core can check, which clients
// from v3.10.8 on send with every request, or by the cookie of a login with such a
// signature.
type Auth struct {
	// MaxSkew is how far the Date of a signed request may differ from our clock; 0
	// = it is not compared.
	MaxSkew time.Duration

	check Check
	seal  cipher.AEAD
	now   func() time.Time
	life  time.Duration // lifetime of cookies
	wait  time.Duration // for core's response

	asking inquiries[Account]

	mu    sync.Mutex
	known map[[32]byte]entry // by [credential.hash]; guarded by mu
}

// credential is what a component has signed, in the form that core needs to check
// it.
type credential struct {
	Authorization string `json:"s"`
	Date          string `json:"d"`
	Org           string `json:"o,omitempty"`
}

func (c credential) hash() [32]byte {
	return sha256.Sum256([]byte(c.Authorization + "\x00" + c.Date + "\x00" + c.Org))
}

// entry is an account that core has confirmed.
type entry struct {
	account string
	vouched time.Time // when core confirmed it
	again   time.Time // when to ask core next
}

const (
	cookieName = "jms_video_session"
	// cookieLife is the lifetime of a login; see [Server.events] for how clients
	// get a new cookie in time.
	cookieLife = 2 * time.Hour
	// knownLife is how long core's confirmation is valid, for signatures and for
	// the logins behind cookies, so that a revoked account can soon no longer
	// upload. Refusals are not cached.
	knownLife = time.Minute
	// graceLife is how long it is valid while core is unreachable: long enough for
	// a restart of core, but too short to be useful for a revoked account.
	graceLife = 3 * time.Minute
	maxKnown  = 1000
	// checkWait limits the request to core: the newest Lion waits 30 s for this
	// request and the one about the session.
	checkWait = 10 * time.Second
)

// NewAuth returns an Auth that seals cookies with a secret, which all workers
// behind one address share. If it is empty, only this process accepts its cookies.
func NewAuth(check Check, secret string) (*Auth, error) {
	key := sha256.Sum256([]byte("jumpserver-video login cookies\x00" + secret))
	if secret == "" {
		if _, err := rand.Read(key[:]); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Auth{check: check, seal: seal, now: time.Now, life: cookieLife, wait: checkWait, known: map[[32]byte]entry{}}, nil
}

// Caller returns the id of the component that sent a request. Its errors contain
// the status of the response: 401, 403, or 503 if core is unreachable, so that the
// client uses its fallback.
func (a *Auth) Caller(r *http.Request) (string, error) {
	if c, err := r.Cookie(cookieName); err == nil {
		if login, ok := a.open(c.Value); ok {
			return a.account(r.Context(), login.credential)
		}
	}
	account, _, err := a.signed(r)
	return account, err
}

// signed returns the account that signed a request.
func (a *Auth) signed(r *http.Request) (account string, c credential, err error) {
	c = credential{r.Header.Get("Authorization"), r.Header.Get("Date"), r.Header.Get("X-JMS-ORG")}
	if c.Authorization == "" || c.Date == "" {
		return "", c, refuse(http.StatusUnauthorized, "the request is not signed: it needs Authorization and Date")
	}
	if err := a.fresh(c.Date); err != nil {
		return "", c, err
	}
	account, err = a.account(r.Context(), c)
	return account, c, err
}

// account returns the account of a credential. Clients sign every second, and a
// login lasts for hours, but core is asked only once a minute.
func (a *Auth) account(ctx context.Context, c credential) (string, error) {
	hash := c.hash()
	a.mu.Lock()
	e := a.known[hash]
	a.mu.Unlock()
	if now := a.now(); now.Before(e.again) && e.holds(now) {
		return e.account, nil
	}
	account, err := a.asking.ask(ctx, string(hash[:]), a.wait, func(ctx context.Context) (Account, error) {
		return a.check(ctx, c.Authorization, c.Date, c.Org)
	})
	now := a.now()
	switch {
	case errors.Is(err, ErrSignature):
		a.forget(hash)
		return "", refuse(http.StatusUnauthorized, "%w", err)
	case err != nil && a.postpone(hash, now):
		return e.account, nil
	case err != nil:
		return "", refuse(http.StatusServiceUnavailable, "check the signature with core: %w", err)
	case !account.Valid:
		a.forget(hash)
		return "", refuse(http.StatusForbidden, "the account is disabled or has expired")
	case !account.Service:
		a.forget(hash)
		return "", refuse(http.StatusForbidden, "recordings are accepted only from JumpServer's components")
	}
	a.remember(hash, entry{account.ID, now, now.Add(knownLife)})
	return account.ID, nil
}

// holds reports whether core's confirmation is recent enough to be used without a
// new one.
func (e entry) holds(now time.Time) bool { return now.Before(e.vouched.Add(graceLife)) }

// postpone delays the next question to core, if its last confirmation is still
// valid. It reports whether it is.
func (a *Auth) postpone(hash [32]byte, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, ok := a.known[hash]
	if !ok || !e.holds(now) {
		return false
	}
	e.again = now.Add(knownLife)
	a.known[hash] = e
	return true
}

func (a *Auth) remember(hash [32]byte, e entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[hash] = e
}

func (a *Auth) forget(hash [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, hash)
}
