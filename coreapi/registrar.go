package coreapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Registrar gets the client an access key that core accepts.
type Registrar struct {
	Client *Client
	// Keys is the file of the key.
	Keys KeyFile
	// Token is BOOTSTRAP_TOKEN.
	Token string
	// Name is NAME, used as it is; if it is "", a name is made from the host's
	// name.
	Name string
	// Log receives what an administrator must know; nil discards.
	Log *slog.Logger
	// Failed, if set, is called for each failed attempt.
	Failed func(error)

	// waits is changed by tests; zero fields mean the defaults.
	waits waits

	// unproven is a new key that core has not accepted in a call yet, and when core
	// issued it.
	unproven Key
	since    time.Time
	// lost is a name under which core may have registered our component, although
	// the response was lost.
	lost string
}

// waits are the times between two attempts.
type waits struct {
	// minimum and maximum limit the wait while core is unreachable.
	minimum, maximum time.Duration
	// refused is the wait while an administrator has to act. It is well below the 5
	// minutes for which a restarted core accepts components.
	refused time.Duration
	// again is how long a new key that core does not accept is kept before the
	// registrar asks for another.
	again time.Duration
}

func (w waits) withDefaults() waits {
	return waits{
		minimum: or(w.minimum, time.Second),
		maximum: or(w.maximum, 30*time.Second),
		refused: or(w.refused, time.Minute),
		again:   or(w.again, time.Hour),
	}
}

// Ensure prepares the client for signed calls and returns its account. It uses the
// key in the file as long as core accepts it, and registers otherwise.
//
// It retries until it succeeds or ctx ends, and returns no other error than that of
// ctx. Core may start later than we do, and an administrator may open registration
// at any time. An error is logged when it changes and at growing intervals.
func (r *Registrar) Ensure(ctx context.Context) (Profile, error) {
	w := r.waits.withDefaults()
	q := quiet{log: logger(r.Log)}
	for n := 0; ; n++ {
		p, err := r.try(ctx, w)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return Profile{}, ctx.Err()
		}
		if r.Failed != nil {
			r.Failed(err)
		}
		q.failed(time.Now(), "not registered with core; retrying", err)
		wait := w.refused
		if errors.Is(err, ErrUnavailable) {
			wait = grow(w.minimum, w.maximum, n)
			var e *Error
			if errors.As(err, &e) {
				wait = max(wait, min(e.RetryAfter, w.refused))
			}
		} else {
			n = -1 // core can be reached again: begin with short waits
		}
		if !sleep(ctx, spread(wait)) {
			return Profile{}, ctx.Err()
		}
	}
}

// try makes one attempt: it reads the key, asks core for its account, and registers
// if there is no key or core does not know it.
func (r *Registrar) try(ctx context.Context, w waits) (Profile, error) {
	key, err := r.unproven, error(nil)
	if key.ID == "" {
		key, err = r.Keys.Load()
	}
	if errors.Is(err, ErrNoKey) {
		return r.register(ctx, r.Name)
	}
	if err != nil {
		return Profile{}, err
	}
	p, err := r.check(ctx, key)
	if !errors.Is(err, ErrUnauthorized) {
		return p, err
	}
	if key == r.unproven && time.Since(r.since) < w.again {
		// Asking for more and more keys would fill core with components.
		return Profile{}, err
	}
	return r.again(ctx, key)
}

// again registers anew after core refused the key, under the component's former
// name. If the name is free, the component was deleted. If the name is taken, its
// account was disabled, and we must not register. From v4.10.8 on, core's response
// to the refused key is the same in both cases. Under another name we would come
// back however often an administrator disabled us.
func (r *Registrar) again(ctx context.Context, key Key) (Profile, error) {
	name := or(r.Name, r.Keys.Component())
	if name == r.lost { // our own lost registration may have taken the name
		name = ""
	}
	logger(r.Log).Warn("core no longer accepts our access key; registering again", "key", key)
	p, err := r.register(ctx, name)
	switch {
	case name != "" && errors.Is(err, ErrNameTaken):
		return p, fmt.Errorf("%w (%s): %w", ErrDisabled, name, err)
	case errors.Is(err, ErrAmbiguous), errors.Is(err, ErrUnavailable), errors.Is(err, ErrProtocol):
		r.lost = name
	}
	return p, err
}

// register gets a new key, stores it, and checks that core accepts it. If name is
// empty, a name is generated.
func (r *Registrar) register(ctx context.Context, name string) (Profile, error) {
	if err := r.Keys.Prepare(); err != nil {
		return Profile{}, err
	}
	key, err := r.Client.Register(ctx, r.Token, or(name, componentName()))
	if err != nil {
		return Profile{}, err
	}
	r.unproven, r.since = key, time.Now()
	if err := r.Keys.Save(key); err != nil {
		// The key works until we stop; the next start will register another
		// component.
		logger(r.Log).Error("the new access key could not be saved; the next start will register another component", "error", err)
	}
	return r.check(ctx, key)
}

// check sets the client's key and asks core for the key's account.
func (r *Registrar) check(ctx context.Context, key Key) (Profile, error) {
	r.Client.SetKey(key)
	p, err := r.Client.profile(ctx, -1)
	if err == nil {
		r.unproven, r.lost = Key{}, ""
		if err := r.Keys.SaveComponent(p.Name); err != nil {
			logger(r.Log).Warn("the component's name could not be saved; if the component is deleted in JumpServer, the agent registers under another name", "error", err)
		}
	} else if key == r.unproven && errors.Is(err, ErrUnauthorized) {
		err = fmt.Errorf("core refuses a key that it has just issued; check whether a proxy in front of core changes paths or headers: %w", err)
	}
	return p, err
}
