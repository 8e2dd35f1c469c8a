package coreapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

const profilePath = "/api/v1/users/profile/"

// Profile is the account that an access key belongs to.
type Profile struct {
	ID, Name, Username string
	// IsServiceAccount is true for components and false for people.
	IsServiceAccount bool
	// IsValid is false for an account that is disabled or has expired.
	IsValid bool
}

// UnmarshalJSON parses core's form of a profile.
func (p *Profile) UnmarshalJSON(b []byte) error {
	w := struct {
		ID               string `json:"id"`
		Name             string `json:"name"`
		Username         string `json:"username"`
		IsServiceAccount bool   `json:"is_service_account"`
		IsValid          bool   `json:"is_valid"`
	}{IsValid: true} // unless core says so
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if w.ID == "" {
		return errors.New("profile without id")
	}
	*p = Profile(w)
	return nil
}

// Profile returns the account that the client's own key belongs to.
func (c *Client) Profile(ctx context.Context) (Profile, error) {
	return c.profile(ctx, 0)
}

func (c *Client) profile(ctx context.Context, retries int) (p Profile, err error) {
	err = c.do(ctx, call{op: "read own profile", method: http.MethodGet, path: profilePath, out: &p, retries: retries})
	return p, err
}

// ForwardProfile asks core which account signed the given headers. A component that
// calls the agent sends the Authorization, Date and X-JMS-ORG that it would send to
// core for this request; only core can check them. [ErrUnauthorized] means that
// core does not accept them. The caller still has to check IsServiceAccount and
// IsValid.
func (c *Client) ForwardProfile(ctx context.Context, authorization, date, org string) (Profile, error) {
	l := call{
		op: "check caller", method: http.MethodGet, path: profilePath, retries: 1,
		auth: func(h http.Header) {
			h.Set("Authorization", authorization)
			h.Set("Date", date)
			if org != "" {
				h.Set("X-JMS-ORG", org)
			}
		},
	}
	if authorization == "" || date == "" || strings.ContainsFunc(authorization+date+org, isControl) {
		return Profile{}, &Error{Op: l.op, Method: l.method, Path: l.path,
			Kind: ErrUnauthorized, Err: errors.New("no usable signature")}
	}
	var p Profile
	l.out = &p
	err := c.do(ctx, l)
	return p, err
}

// isControl reports whether r is a control character that a header cannot contain.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// Reach checks, without a key, that core responds at the base address. It returns
// how far core's clock is ahead of ours, to the second, from the Date header: a
// positive value means that our clock is late. Core responds with 401 to a request
// without a key. Anything else is returned as an error, [ErrProtocol] if another
// server responds.
func (c *Client) Reach(ctx context.Context) (ahead time.Duration, err error) {
	var head http.Header
	err = c.do(ctx, call{
		op: "reach core", method: http.MethodGet, path: profilePath, retries: -1, auth: func(http.Header) {},
		refine: func(e *Error, a *answer) {
			head = a.header
			if e.Status == http.StatusUnauthorized && a.fields()["detail"] == nil {
				e.Kind = ErrProtocol
			}
		},
	})
	switch {
	case err == nil:
		return 0, &Error{Op: "reach core", Method: http.MethodGet, Path: profilePath, Status: http.StatusOK, Kind: ErrProtocol}
	case !errors.Is(err, ErrUnauthorized):
		return 0, err
	}
	if t, err := http.ParseTime(head.Get("Date")); err == nil {
		ahead = time.Until(t)
	}
	return ahead, nil
}
