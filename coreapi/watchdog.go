package coreapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// errStalled is the cause of a request that was aborted because it made no
// progress.
var errStalled = errors.New("no progress, request aborted")

// watchdog is a transport that aborts a request that makes no progress. It does not
// limit how long the request takes in total.
type watchdog struct {
	next http.RoundTripper
	// idle is how long there may be no progress while a body is sent or received.
	idle time.Duration
	// answer is how long core may take to respond to a request that was sent: core
	// first copies an uploaded file to its volume.
	answer time.Duration
}

// RoundTrip sends one request under the watchdog.
func (w watchdog) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(w.answer, func() { cancel(errStalled) })
	done := func() {
		timer.Stop()
		cancel(nil)
	}
	watched := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		watch := func(b io.ReadCloser) io.ReadCloser { return &watchedBody{ReadCloser: b, dog: w, timer: timer} }
		watched.Body = watch(req.Body)
		if req.GetBody != nil {
			watched.GetBody = func() (io.ReadCloser, error) {
				b, err := req.GetBody()
				if err != nil {
					return nil, err
				}
				return watch(b), nil
			}
		}
	}
	resp, err := w.next.RoundTrip(watched)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
			err = cause
		}
		done()
		return nil, err
	}
	timer.Reset(w.idle)
	resp.Body = &watchedAnswer{ReadCloser: resp.Body, ctx: ctx, dog: w, timer: timer, done: done}
	return resp, nil
}

// watchedBody records progress each time the transport reads more to send.
type watchedBody struct {
	io.ReadCloser
	dog   watchdog
	timer *time.Timer
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.timer.Reset(b.dog.answer)
	} else {
		b.timer.Reset(b.dog.idle)
	}
	return n, err
}

// watchedAnswer records progress as the response comes in.
type watchedAnswer struct {
	io.ReadCloser
	ctx   context.Context
	dog   watchdog
	timer *time.Timer
	done  func()
}

func (b *watchedAnswer) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		b.timer.Reset(b.dog.idle)
	} else if cause := context.Cause(b.ctx); errors.Is(cause, errStalled) {
		err = cause
	}
	return n, err
}

func (b *watchedAnswer) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
