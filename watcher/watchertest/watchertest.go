// Package watchertest runs a watcher in a test, of the volume or of a bucket, and
// records what it offers.
package watchertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// Offers are what a watcher has offered; C is its type of candidate.
type Offers[C any] struct {
	t      testing.TB
	name   func(C) string
	status func() any
	stop   func()

	mu  sync.Mutex
	all []C   // guarded by mu
	err error // what Found returns; guarded by mu
}

// New returns Offers for a watcher. name returns the name of a candidate, and
// status is printed if a wait fails. The watcher's Found must be that of the
// Offers; it starts with Run.
func New[C any](t testing.TB, name func(C) string, status func() any) *Offers[C] {
	return &Offers[C]{t: t, name: name, status: status, stop: func() {}}
}

// Run runs a watcher until Stop or the end of the test, which fails if the watcher
// returns an error.
func (o *Offers[C]) Run(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(o.t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			o.t.Error(err)
		}
	})
	o.t.Cleanup(o.stop)
}

// Stop ends the watcher and waits until it has ended.
func (o *Offers[C]) Stop() { o.stop() }

// Found accepts an offer, unless Refuse was called.
func (o *Offers[C]) Found(_ context.Context, c C) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.all = append(o.all, c)
	return nil
}

// Refuse makes Found return an error from now on; nil = it accepts offers.
func (o *Offers[C]) Refuse(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// All returns the offers that were accepted, the first one first.
func (o *Offers[C]) All() []C {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]C(nil), o.all...)
}

// Names returns the names of All; never nil.
func (o *Offers[C]) Names() []string {
	names := []string{}
	for _, c := range o.All() {
		names = append(names, o.name(c))
	}
	return names
}

// Until waits until ok returns true, and ends the test if that takes too long.
func (o *Offers[C]) Until(what string, ok func() bool) {
	o.t.Helper()
	waittest.Until(o.t, what, ok, func() any { return fmt.Sprintf("offered %v, status %+v", o.Names(), o.status()) })
}
