package coreapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of failure, for errors.Is.
var (
	// ErrUnavailable: core did not respond, or responded with 5xx or 429 to all
	// retries. The same call can succeed later.
	ErrUnavailable = errors.New("core cannot be reached or is temporarily unavailable")
	// ErrUnauthorized: the access key is unknown, inactive, or not valid from
	// this address; a [Component] registers again.
	ErrUnauthorized = errors.New("core does not accept the access key")
	// ErrForbidden: the key is valid, but its account may not do this.
	ErrForbidden = errors.New("core does not allow our account to do this: " +
		"check in JumpServer that it is active and has the role SystemComponent")
	// ErrNotFound: core does not know the session.
	ErrNotFound = errors.New("core has no such object")
	// ErrBadForm: core refuses what the request contains. Core responds with 401 to
	// an upload with bad fields; that is ErrBadForm too.
	ErrBadForm = errors.New("core refuses what the request contains")
	// ErrTooLarge: a proxy in front of core refuses a body of this size.
	ErrTooLarge = errors.New("the file is larger than the proxy in front of core accepts: " +
		"raise CLIENT_MAX_BODY_SIZE in JumpServer's config.txt, or set CORE_HOST to core itself")
	// ErrCoreStorage: core could not write an uploaded file.
	ErrCoreStorage = errors.New("core could not store the file: check the free space and the permissions of its media volume")
	// ErrUnsupported: this version of core does not have the call.
	ErrUnsupported = errors.New("this version of core does not support the call")
	// ErrAmbiguous: the request was sent and no clear response came back; core may
	// or may not have acted on it.
	ErrAmbiguous = errors.New("the response was lost; core may have carried out the request")
	// ErrRedirected: core responded with a redirect, which is never followed
	// because it turns a POST into a GET.
	ErrRedirected = errors.New("core redirects: set CORE_HOST to the address that it redirects to")
	// ErrProtocol: the response is not one that core sends.
	ErrProtocol = errors.New("the response does not come from JumpServer's core: check CORE_HOST")
	// ErrCertificate: core's TLS certificate does not verify.
	ErrCertificate = errors.New("core's certificate is not trusted: " +
		"install its authority on this machine, or set IGNORE_VERIFY_CERTS=true")

	// ErrRegistrationClosed: an administrator has switched registration off.
	ErrRegistrationClosed = errors.New("core accepts no new components: " +
		"open registration in JumpServer (Settings, Terminal), or set SECURITY_SERVICE_ACCOUNT_REGISTRATION=True in its config.txt and restart core")
	// ErrBadToken: core has another bootstrap token.
	ErrBadToken = errors.New("core does not accept BOOTSTRAP_TOKEN: copy it from JumpServer's config.txt " +
		"(if it is the same and core is v4.9 or later, restart core: it then accepts new components for 5 minutes)")
	// ErrRegistrationRefused: the response of core from v4.9 on both to a wrong
	// bootstrap token and when its registration window is closed.
	ErrRegistrationRefused = errors.New("core does not let us register: its window for new components is closed " +
		"(open it in JumpServer, Settings, Terminal, which needs no restart; or set SECURITY_SERVICE_ACCOUNT_REGISTRATION=True; or restart core, which opens it for 5 minutes), " +
		"or BOOTSTRAP_TOKEN is not the one in JumpServer's config.txt")
	// ErrDisabled: core refuses our key although the component still exists.
	ErrDisabled = errors.New("core refuses our access key although our component still exists: its account was disabled; " +
		"activate the account in JumpServer, or delete the component so that the agent registers again")
	// ErrNameTaken: a component or a user in JumpServer has this name.
	ErrNameTaken = errors.New("the name is taken in JumpServer: " +
		"delete the old component of that name in its terminal settings, or unset NAME")
)

// Error is a call to core that failed.
type Error struct {
	Op           string        // what was attempted, such as "upload replay"
	Method, Path string        // of the request; path without host and query
	Status       int           // HTTP status; 0 if there was no response
	Code         string        // core's machine-readable code, often empty
	Message      string        // core's message, shortened
	RetryAfter   time.Duration // from core's 429 or 503; 0 = none
	Kind         error         // one of this package's sentinels, or nil
	Err          error         // why there was no response, or nil
}

// Error says what was attempted, what the failure means and what core's message
// was.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Kind != nil {
		fmt.Fprintf(&b, ": %v", e.Kind)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	fmt.Fprintf(&b, " (%s %s", e.Method, e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d", e.Status)
	}
	b.WriteString(")")
	return b.String()
}

// Unwrap lets errors.Is find the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// outcomes are the results of [Outcome]; more specific kinds come first.
var outcomes = []struct {
	kind error
	word string
}{
	{ErrDisabled, "disabled"}, {ErrUnauthorized, "unauthorized"}, {ErrForbidden, "forbidden"}, {ErrNotFound, "not_found"},
	{ErrTooLarge, "too_large"}, {ErrCoreStorage, "core_storage"}, {ErrUnsupported, "unsupported"},
	{ErrAmbiguous, "ambiguous"}, {ErrRedirected, "redirected"}, {ErrProtocol, "not_core"}, {ErrCertificate, "certificate"},
	{ErrRegistrationClosed, "registration_closed"}, {ErrBadToken, "bad_token"}, {ErrRegistrationRefused, "registration_refused"},
	{ErrNameTaken, "name_taken"}, {ErrBadForm, "refused"}, {ErrUnavailable, "unavailable"},
	{context.Canceled, "canceled"},
}

// Outcome returns the result of a call as one word, for metrics: "ok", the kind of
// the failure, or "error".
func Outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.kind) {
			return o.word
		}
	}
	return "error"
}
