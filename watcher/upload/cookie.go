package upload

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"
)

// ticket is the content of a cookie: what its client has signed to log in, so that
// core can be asked again whether that is still valid. Only agents can decrypt it.
type ticket struct {
	credential
	Until time.Time `json:"u"`
}

// issue returns the cookie of a login.
func (a *Auth) issue(c credential) (string, error) {
	plain, err := json.Marshal(ticket{c, a.now().Add(a.life)})
	if err != nil {
		return "", err
	}
	nonce := make([]byte, a.seal.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(a.seal.Seal(nonce, nonce, plain, nil)), nil
}

// open decrypts a cookie; ok is false if the cookie is not ours or has expired.
func (a *Auth) open(cookie string) (t ticket, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(sealed) < a.seal.NonceSize() {
		return ticket{}, false
	}
	plain, err := a.seal.Open(nil, sealed[:a.seal.NonceSize()], sealed[a.seal.NonceSize():], nil)
	if err != nil {
		return ticket{}, false
	}
	if json.Unmarshal(plain, &t) != nil || t.Authorization == "" || !a.now().Before(t.Until) {
		return ticket{}, false
	}
	return t, true
}
