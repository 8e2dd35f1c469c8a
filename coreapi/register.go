package coreapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"

	"github.com/google/uuid"
)

// componentType is the agent's value in core's enum of component types.
const componentType = "video_worker"

// Register asks core for a new component of type video_worker and returns its
// access key. The call is not retried: if the response was lost, the component
// exists and its name is taken.
//
// Errors: [ErrBadToken], [ErrRegistrationClosed], [ErrRegistrationRefused] where
// core does not distinguish these two, [ErrNameTaken].
func (c *Client) Register(ctx context.Context, token, name string) (Key, error) {
	var out struct {
		Account struct {
			Key struct {
				ID     string `json:"id"`
				Secret string `json:"secret"`
			} `json:"access_key"`
		} `json:"service_account"`
	}
	l := call{
		op: "register as " + name, method: http.MethodPost, path: "/api/v1/terminal/terminal-registrations/",
		in:      map[string]string{"name": name, "type": componentType, "comment": componentType},
		out:     &out,
		auth:    func(h http.Header) { h.Set("Authorization", "BootstrapToken "+token) },
		refine:  refineRegister,
		retries: -1,
	}
	if token == "" || strings.ContainsFunc(token, isControl) {
		return Key{}, &Error{Op: l.op, Method: l.method, Path: l.path,
			Kind: ErrBadToken, Err: errors.New("it is empty or holds control characters")}
	}
	if err := c.do(ctx, l); err != nil {
		return Key{}, err
	}
	key := Key{ID: out.Account.Key.ID, Secret: out.Account.Key.Secret}
	if uuid.Validate(key.ID) != nil || key.Secret == "" {
		return Key{}, &Error{Op: l.op, Method: l.method, Path: l.path,
			Kind: ErrProtocol, Err: errors.New("no access key in it")}
	}
	return key, nil
}

// refineRegister sets the kind of a refused registration.
func refineRegister(e *Error, a *answer) {
	fields := a.fields()
	switch {
	case e.Status == http.StatusUnauthorized && strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer"):
		e.Kind = ErrBadToken // v3.10, which has another response when registration is closed
	case e.Status == http.StatusUnauthorized:
		e.Kind = ErrRegistrationRefused
	case e.Status == http.StatusBadRequest && fields["error"] != nil:
		e.Kind = ErrRegistrationClosed
	case e.Status == http.StatusBadRequest && fields["name"] != nil:
		e.Kind = ErrNameTaken
	}
}

// maxName is the longest name that core does not shorten.
const maxName = 127

// componentName returns a name in the form that JumpServer's own components use.
// Its random suffix makes it unique.
func componentName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	name := "[VideoWorker]-"
	if s := os.Getenv("SERVER_HOSTNAME"); s != "" {
		name += s + "-"
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	tail := make([]byte, 7)
	for i := range tail {
		tail[i] = letters[rand.N(len(letters))]
	}
	return cutMiddle(name + host + "-" + string(tail))
}

// cutMiddle shortens a name to maxName characters, keeping both ends.
func cutMiddle(name string) string {
	r := []rune(name)
	if len(r) <= maxName {
		return name
	}
	const dots = "..."
	half := (maxName - len(dots)) / 2
	return string(r[:half]) + dots + string(r[len(r)-half:])
}
