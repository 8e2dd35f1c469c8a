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

// attempts makes the requests of one call until one is answered well, or may
// not be repeated.
type attempts struct {
	c    *Client
	call call
	// left tells that the current request may have left us; set by the
	// transport's goroutine.
	left atomic.Bool
	// err is the last attempt's failure, for the log.
	err error
}

// run returns core's final answer, whatever it says, or why there is none.
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
		CheckRetry:   a.again,
		Backoff:      a.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(retryablehttp.Logger, *http.Request, int) {
			got = nil
			a.left.Store(false)
		},
	}
	resp, err := rc.Do(req)
	if got != nil {
		return got, nil
	}
	if err != nil {
		return nil, err
	}
	// The retries ran out on a bad answer, which nobody has read.
	defer resp.Body.Close()
	return readAnswer(resp)
}

// limit is how often the call may be repeated.
func (a *attempts) limit() int {
	n := a.c.opt.RetryMax
	if a.call.retries != 0 {
		n = min(n, a.call.retries)
	}
	return max(0, n)
}

// again is the retry policy: what the network or an overloaded or restarting
// core did to a call can pass; what core refused cannot.
func (a *attempts) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	a.err = err
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		left := a.call.once && a.left.Load()
		return !left && a.call.form.failed() == nil && !untrusted(err), nil
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

// backoff doubles the wait with each attempt and spreads it, so that several
// agents do not come back in step. A Retry-After is the least that is waited.
func (a *attempts) backoff(least, most time.Duration, n int, resp *http.Response) time.Duration {
	wait := spread(grow(least, most, n))
	status := 0
	if resp != nil {
		status = resp.StatusCode
		if after := retryAfter(resp.Header); after > 0 {
			wait = after + rand.N(after/10+1)
		}
	}
	a.c.log.Debug("call to core failed, trying again", "op", a.call.op, "attempt", n+1, "status", status,
		"error", cause(a.err), "wait", wait)
	return wait
}

// lost describes a call that got no answer.
func (a *attempts) lost(ctx context.Context, err error) Error {
	e := Error{Kind: ErrUnavailable, Err: cause(err)}
	switch {
	case a.call.once && a.left.Load():
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

// trace learns when a request has been written.
func (a *attempts) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.left.Store(true) },
	})
}

// ambiguous tells whether an answer leaves open if core acted: a 5xx can come
// after the deed, or from a proxy that lost core's answer.
func ambiguous(status int) bool { return status >= 500 }

// grow is least·2ⁿ, at most most.
func grow(least, most time.Duration, n int) time.Duration {
	for range n {
		if least >= most {
			break
		}
		least *= 2
	}
	return min(least, most)
}

// spread takes up to a third off.
func spread(d time.Duration) time.Duration { return d - rand.N(d/3+1) }

// cause strips what [Error] says itself: method and URL.
func cause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// untrusted tells whether TLS refused core's certificate.
func untrusted(err error) bool {
	var ce *tls.CertificateVerificationError
	return errors.As(err, &ce)
}

// sleep waits for d and tells whether it did: false means that ctx has ended.
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
