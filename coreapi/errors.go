package coreapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of failure that callers tell apart with errors.Is.
var (
	// ErrUnavailable: no answer, or a 5xx or 429 that lasted through all
	// retries. The same call can succeed later.
	ErrUnavailable = errors.New("core cannot be reached or cannot answer now")
	// ErrUnauthorized: the access key is unknown, inactive, or not valid from
	// this address; a [Component] registers again.
	ErrUnauthorized = errors.New("core does not accept the access key")
	// ErrForbidden: the key is good, its account may not do this.
	ErrForbidden = errors.New("core does not permit this to the account: " +
		"see in JumpServer that it is active and has the role SystemComponent")
	// ErrNotFound: core does not know the session.
	ErrNotFound = errors.New("core does not know it")
	// ErrBadForm: core refuses what the request says. An upload with bad
	// fields is answered 401 by core and still belongs here.
	ErrBadForm = errors.New("core refuses the request's content")
	// ErrTooLarge: a proxy before core refuses a body of this size.
	ErrTooLarge = errors.New("the file is larger than the proxy before core lets through: " +
		"raise CLIENT_MAX_BODY_SIZE in JumpServer's config.txt, or let CORE_HOST name core itself")
	// ErrCoreStorage: core could not write an uploaded file.
	ErrCoreStorage = errors.New("core could not store the file: look at the space and rights of its media volume")
	// ErrUnsupported: this version of core lacks the call.
	ErrUnsupported = errors.New("this version of core has no such call")
	// ErrAmbiguous: the request left us and no clear answer came back; core
	// may or may not have acted on it.
	ErrAmbiguous = errors.New("the answer was lost, core may have done it")
	// ErrRedirected: core answered with a redirect, which is never followed
	// because it turns a POST into a GET.
	ErrRedirected = errors.New("core redirects: set CORE_HOST to the address that it redirects to")
	// ErrProtocol: the answer makes no sense as core's.
	ErrProtocol = errors.New("the answer is not one of core's: does CORE_HOST name JumpServer's core?")
	// ErrCertificate: core's TLS certificate does not verify.
	ErrCertificate = errors.New("core's certificate is not trusted: " +
		"install its authority on this machine, or set IGNORE_VERIFY_CERTS=true")

	// ErrRegistrationClosed: an administrator switched registration off.
	ErrRegistrationClosed = errors.New("core takes no new components: " +
		"set SECURITY_SERVICE_ACCOUNT_REGISTRATION=True in JumpServer's config.txt " +
		"(or terminal registration in its settings) and restart core")
	// ErrBadToken: the bootstrap token is not core's.
	ErrBadToken = errors.New("core does not accept BOOTSTRAP_TOKEN: copy it from JumpServer's config.txt " +
		"(if it is the same and core is v4.9 or later, restart core: it takes new components for 5 minutes then)")
	// ErrRegistrationRefused: what core from v4.9 on answers both to a wrong
	// bootstrap token and when its registration window is closed.
	ErrRegistrationRefused = errors.New("core does not let us register: its window for new components is closed " +
		"(restart core, which opens it for 5 minutes, or set SECURITY_SERVICE_ACCOUNT_REGISTRATION=True), " +
		"or BOOTSTRAP_TOKEN is not the one in JumpServer's config.txt")
	// ErrNameTaken: a component or a person in JumpServer has this name.
	ErrNameTaken = errors.New("the name is taken in JumpServer: " +
		"delete the old component of that name in its terminal settings, or unset NAME")
)

// Error is a call to core that failed.
type Error struct {
	Op           string        // what was attempted, such as "upload replay"
	Method, Path string        // the request, path without host and query
	Status       int           // HTTP status; 0 when no answer came
	Code         string        // core's machine-readable code, often empty
	Message      string        // core's own words, shortened
	RetryAfter   time.Duration // core's wish on 429 and 503; 0 = none
	Kind         error         // the sentinel of this package that it is, or nil
	Err          error         // the cause when no answer came, or nil
}

// Error tells what was attempted, what it means and what core said.
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

// outcomes are the words of [Outcome], the more particular kinds first.
var outcomes = []struct {
	kind error
	word string
}{
	{ErrUnauthorized, "unauthorized"}, {ErrForbidden, "forbidden"}, {ErrNotFound, "not_found"},
	{ErrTooLarge, "too_large"}, {ErrCoreStorage, "core_storage"}, {ErrUnsupported, "unsupported"},
	{ErrAmbiguous, "ambiguous"}, {ErrRedirected, "redirected"}, {ErrProtocol, "not_core"}, {ErrCertificate, "certificate"},
	{ErrRegistrationClosed, "registration_closed"}, {ErrBadToken, "bad_token"}, {ErrRegistrationRefused, "registration_refused"},
	{ErrNameTaken, "name_taken"}, {ErrBadForm, "refused"}, {ErrUnavailable, "unavailable"},
	{context.Canceled, "canceled"},
}

// Outcome is what became of a call in one word, for statistics: "ok", the
// kind of the failure, or "error".
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
