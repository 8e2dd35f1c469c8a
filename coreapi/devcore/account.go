package devcore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// account is a user of core: a person, or the service account of a component.
type account struct {
	id, username, name, email string
	service                   bool
	admin                     bool
	disabled, expired         bool
	ipGroup                   []string
	keyID, secret             string
	keyCreated                time.Time
	keyRevoked                bool
	keyUsed                   time.Time
	component                 *component  // nil for a person
	recent                    []time.Time // requests within the last minute
}

// User is an account to add, for tests of how callers are checked.
type User struct {
	Username string // unique, required
	Name     string // "" = Username
	Email    string // unique, "" = Username@example.com
	// Service makes it a service account with the role of components, but
	// without a component.
	Service bool
	// Admin gives a person every permission. Other people can only read their own
	// profile.
	Admin bool
	// Expired and Disabled accounts are not valid.
	Expired, Disabled bool
	// IPGroup lists the addresses and networks from which the key may be used; nil
	// = "*", any.
	IPGroup []string
}

// AddUser adds an account and returns its access key. It fails if the username or
// e-mail address is taken.
func (c *Core) AddUser(u User) (keyID, secret string, err error) {
	if u.Username == "" {
		return "", "", errors.New("a user needs a username")
	}
	a := &account{
		username: u.Username, name: u.Name, email: u.Email,
		service: u.Service, admin: u.Admin, expired: u.Expired, disabled: u.Disabled, ipGroup: u.IPGroup,
	}
	if a.name == "" {
		a.name = u.Username
	}
	if a.email == "" {
		a.email = u.Username + "@example.com"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.addAccount(a) {
		return "", "", fmt.Errorf("user %q: name or e-mail address is taken", u.Username)
	}
	return a.keyID, a.secret, nil
}

// addAccount gives an account an id and a key. It returns false if the name or
// address is taken. The caller must hold the lock.
func (c *Core) addAccount(a *account) bool {
	for _, other := range c.accounts {
		if other.username == a.username || strings.EqualFold(other.email, a.email) {
			return false
		}
	}
	a.id, a.keyID, a.secret, a.keyCreated = uuid.NewString(), uuid.NewString(), randomText(36), c.opt.Now()
	if a.ipGroup == nil {
		a.ipGroup = []string{"*"}
	}
	c.accounts = append(c.accounts, a)
	return true
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// randomText returns n random letters and digits.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphanumeric[int(b[i])%len(alphanumeric)]
	}
	return string(b)
}

// RevokeKey switches off the access key of the account with this username, or the
// key with this id. Core then responds with 401 to all requests signed with it.
func (c *Core) RevokeKey(name string) error {
	return c.change(name, func(a *account) { a.keyRevoked = true })
}

// DisableUser disables the account with this username, or the owner of the key with
// this id. Core then responds with 401 from v4.10.8 on, and with 403 before.
func (c *Core) DisableUser(name string) error {
	return c.change(name, func(a *account) { a.disabled = true })
}

// EnableUser undoes [Core.DisableUser].
func (c *Core) EnableUser(name string) error {
	return c.change(name, func(a *account) { a.disabled = false })
}

func (c *Core) change(name string, f func(*account)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.accounts {
		if a.username == name || a.keyID == name {
			f(a)
			return nil
		}
	}
	return fmt.Errorf("no account is called %q", name)
}

// keyOwner returns the owner of an active key, and its secret.
func (c *Core) keyOwner(keyID string) (*account, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.accounts {
		if a.keyID == keyID && !a.keyRevoked {
			return a, a.secret
		}
	}
	return nil, ""
}

func (c *Core) valid(a *account) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !a.disabled && !a.expired
}

func (c *Core) used(a *account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.keyUsed = c.opt.Now()
}

// deleteAccount deletes an account with its key. The caller must hold the lock.
func (c *Core) deleteAccount(a *account) {
	c.accounts = slices.DeleteFunc(c.accounts, func(b *account) bool { return a == b })
}

// profile handles GET users/profile/. Components also use it to check each other:
// they pass on the headers of a caller's signature.
func (c *Core) profile(r *call) reply {
	a := r.who
	roles := []object{{"id": "00000000-0000-0000-0000-000000000003", "display_name": "User"}}
	switch {
	case a.service:
		roles = []object{{"id": "00000000-0000-0000-0000-000000000004", "display_name": "SystemComponent"}}
	case a.admin:
		roles = []object{{"id": "00000000-0000-0000-0000-000000000001", "display_name": "SystemAdmin"}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return reply{status: http.StatusOK, body: object{
		"id": a.id, "name": a.name, "username": a.username, "email": a.email, "comment": "",
		"is_service_account": a.service, "is_active": !a.disabled, "is_expired": a.expired,
		"is_valid": !a.disabled && !a.expired, "is_superuser": a.admin, "is_first_login": false,
		"system_roles": roles, "org_roles": []object{}, "source": labelled("local", "Database"),
	}}
}
