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

// componentType is ours in core's enum of components.
const componentType = "video_worker"

// Register asks core for a new component of type video_worker and returns its
// access key. It is not repeated by itself: an answer that is lost leaves a
// component behind whose name is taken.
//
// Errors: [ErrBadToken], [ErrRegistrationClosed], [ErrRegistrationRefused]
// where core does not tell these two apart, [ErrNameTaken].
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

// refineRegister knows the refusals of registration.
func refineRegister(e *Error, a *answer) {
	fields := a.fields()
	switch {
	case e.Status == http.StatusUnauthorized && strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer"):
		e.Kind = ErrBadToken // v3.10, which says otherwise that it is closed
	case e.Status == http.StatusUnauthorized:
		e.Kind = ErrRegistrationRefused
	case e.Status == http.StatusBadRequest && fields["error"] != nil:
		e.Kind = ErrRegistrationClosed
	case e.Status == http.StatusBadRequest && fields["name"] != nil:
		e.Kind = ErrNameTaken
	}
}

// maxName is the length up to which core leaves a name alone.
const maxName = 127

// componentName makes a name as JumpServer's own components do. The random
// tail keeps it from being taken.
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
