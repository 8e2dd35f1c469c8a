package upload

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Account is whom core takes a caller for.
type Account struct {
	ID      string
	Service bool // a component, no person
	Valid   bool
}

// Errors of a Check.
var (
	ErrSignature = errors.New("core does not accept the signature")
	ErrNoCore    = errors.New("core cannot be asked")
)

// Check asks core whose signature of GET /api/v1/users/profile/ the headers
// are. Its errors wrap [ErrSignature] or [ErrNoCore].
type Check func(ctx context.Context, authorization, date, org string) (Account, error)

// Auth tells who calls: by a signature that core can check, which clients from
// v3.10.8 on send with every request, or by the cookie of a login with one.
type Auth struct {
	check Check
	seal  cipher.AEAD
	now   func() time.Time
	life  time.Duration // of cookies
	wait  time.Duration // for core's answer

	asking singleflight.Group

	mu    sync.Mutex
	known map[[32]byte]entry // by the signature's hash; guarded by mu
}

type entry struct {
	account string
	until   time.Time
}

const (
	cookieName = "jms_video_session"
	// cookieLife bounds how long an account that core has disabled goes on
	// uploading; see [Server.events] for how clients get a new cookie in time.
	cookieLife = 2 * time.Hour
	knownLife  = time.Minute // of a positive answer; negative ones are not kept
	maxKnown   = 1000
	// checkWait is what core has for its answer: the newest Lion gives us 30 s.
	checkWait = 10 * time.Second
)

// NewAuth seals cookies with a secret that all workers behind one address
// share; an empty one makes cookies that this process alone accepts.
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

// Caller is the id of the component that sends a request. Its errors carry the
// status to answer: 401, 403, or 503 when core cannot be asked, so that the
// client falls back.
func (a *Auth) Caller(r *http.Request) (string, error) {
	if c, err := r.Cookie(cookieName); err == nil {
		if id, ok := a.open(c.Value); ok {
			return id, nil
		}
	}
	return a.signed(r)
}

func (a *Auth) signed(r *http.Request) (string, error) {
	authorization, date, org := r.Header.Get("Authorization"), r.Header.Get("Date"), r.Header.Get("X-JMS-ORG")
	if authorization == "" || date == "" {
		return "", refuse(http.StatusUnauthorized, "the request is not signed")
	}
	hash := sha256.Sum256([]byte(authorization + "\x00" + date + "\x00" + org))
	a.mu.Lock()
	e, ok := a.known[hash]
	a.mu.Unlock()
	if ok && a.now().Before(e.until) {
		return e.account, nil
	}
	// Clients sign by the second: many requests that come at once ask together.
	answer, err, _ := a.asking.Do(string(hash[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), a.wait)
		defer cancel()
		return a.check(ctx, authorization, date, org)
	})
	account, _ := answer.(Account)
	switch {
	case errors.Is(err, ErrSignature):
		return "", refuse(http.StatusUnauthorized, "%w", err)
	case err != nil:
		return "", refuse(http.StatusServiceUnavailable, "%w", err)
	case !account.Valid:
		return "", refuse(http.StatusForbidden, "the account is disabled or has expired")
	case !account.Service:
		return "", refuse(http.StatusForbidden, "recordings are taken from JumpServer's components only")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[hash] = entry{account.ID, a.now().Add(knownLife)}
	return account.ID, nil
}

// ticket is what a cookie says.
type ticket struct {
	Account string    `json:"a"`
	Until   time.Time `json:"u"`
}

func (a *Auth) issue(account string) (string, error) {
	plain, err := json.Marshal(ticket{account, a.now().Add(a.life)})
	if err != nil {
		return "", err
	}
	nonce := make([]byte, a.seal.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(a.seal.Seal(nonce, nonce, plain, nil)), nil
}

func (a *Auth) open(cookie string) (account string, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(sealed) < a.seal.NonceSize() {
		return "", false
	}
	plain, err := a.seal.Open(nil, sealed[:a.seal.NonceSize()], sealed[a.seal.NonceSize():], nil)
	if err != nil {
		return "", false
	}
	var t ticket
	if json.Unmarshal(plain, &t) != nil || !a.now().Before(t.Until) {
		return "", false
	}
	return t.Account, true
}
