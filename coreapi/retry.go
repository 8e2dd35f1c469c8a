package coreapi

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// attempts makes the requests of one call, until one succeeds or must not be
// retried.
type attempts struct {
	c    *Client
	call call
	// sent is set once the current request may have been sent, by the transport's
	// goroutine.
	sent atomic.Bool
	// err is the last attempt's failure, for the log.
	err error
}

// run returns core's final response, whatever its status, or the error without a
// response.
func (a *attempts) run(req *retryablehttp.Request) (*answer, error) {
	var got *answer
	req.SetResponseHandler(func(resp *http.Response) (err error) {
		defer resp.Body.Close()
		got, err = readAnswer(resp)
		return err
	})
	rc := &retryablehttp.Client{
		HTTPClient:   a.c.client(a.call),
		Logger:       nil, // a.backoff logs
		RetryWaitMin: a.c.opt.RetryWaitMin,
		RetryWaitMax: a.c.opt.RetryWaitMax,
		RetryMax:     a.limit(),
		CheckRetry:   a.retryable,
		Backoff:      a.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(retryablehttp.Logger, *http.Request, int) {
			got = nil
			a.sent.Store(false)
		},
	}
	resp, err := rc.Do(req)
	if got != nil {
		return got, nil
	}
	if err != nil {
		return nil, err
	}
	// All retries failed; nobody has read the last response yet.
	defer resp.Body.Close()
	return readAnswer(resp)
}

// limit returns how often the call may be retried.
func (a *attempts) limit() int {
	n := a.c.opt.RetryMax
	if a.call.retries != 0 {
		n = min(n, a.call.retries)
	}
	return max(0, n)
}

// retryable is the retry policy. Failures of the network, and those of an
// overloaded or restarting core, are temporary; refusals are not.
func (a *attempts) retryable(ctx context.Context, resp *http.Response, err error) (bool, error) {
	a.err = err
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		sent := a.call.once && a.sent.Load()
		return !sent && a.call.form.failed() == nil && !untrusted(err), nil
	}
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests:
		return retryAfter(resp.Header) <= a.c.opt.RetryAfterMax, nil
	case s == http.StatusNotImplemented, s < 500:
		return false, nil
	default:
		return !a.call.once && retryAfter(resp.Header) <= a.c.opt.RetryAfterMax, nil
	}
}

// backoff doubles the wait with each attempt and adds jitter, so that several
// agents do not retry at the same moment. It waits at least as long as a
// Retry-After says.
func (a *attempts) backoff(minWait, maxWait time.Duration, n int, resp *http.Response) time.Duration {
	wait := spread(grow(minWait, maxWait, n))
	status := 0
	if resp != nil {
		status = resp.StatusCode
		if after := retryAfter(resp.Header); after > 0 {
			wait = after + rand.N(after/10+1)
		}
	}
	a.c.log.Debug("call to core failed; retrying", "op", a.call.op, "attempt", n+1, "status", status,
		"error", cause(a.err), "wait", wait)
	return wait
}

// lost returns the error of a call without a response.
func (a *attempts) lost(ctx context.Context, err error) Error {
	e := Error{Kind: ErrUnavailable, Err: cause(err)}
	switch {
	case a.call.once && a.sent.Load():
		e.Kind = ErrAmbiguous
	case ctx.Err() != nil:
		e.Kind, e.Err = nil, ctx.Err()
	case a.call.form.failed() != nil:
		e.Kind, e.Err = nil, a.call.form.failed()
	case untrusted(err):
		e.Kind = ErrCertificate
	}
	return e
}

// trace sets sent when a request has been written.
func (a *attempts) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.sent.Store(true) },
	})
}

// ambiguous reports whether the response leaves open if core acted: core can
// respond with 5xx after it acted, or a proxy can when it lost core's response.
func ambiguous(status int) bool { return status >= 500 }

// grow returns minimum·2ⁿ, limited to maximum.
func grow(minimum, maximum time.Duration, n int) time.Duration {
	for range n {
		if minimum >= maximum {
			break
		}
		minimum *= 2
	}
	return min(minimum, maximum)
}

// spread returns d reduced by up to a third, at random.
func spread(d time.Duration) time.Duration { return d - rand.N(d/3+1) }

// cause returns err without method and URL, which [Error] has already.
func cause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// untrusted reports whether TLS refused core's certificate.
func untrusted(err error) bool {
	var ce *tls.CertificateVerificationError
	return errors.As(err, &ce)
}

// sleep waits for d and reports whether it did; false means that ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
