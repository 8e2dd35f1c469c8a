package coreapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Registrar sees to it that the client has an access key that core accepts.
type Registrar struct {
	Client *Client
	// Keys is where the key is kept.
	Keys KeyFile
	// Token is BOOTSTRAP_TOKEN.
	Token string
	// Name is NAME, used as it is; "" makes a name from the host's.
	Name string
	// Log receives what an administrator has to know; nil discards.
	Log *slog.Logger
	// Failed, if set, is told of each failed try.
	Failed func(error)

	// waits, replaced by tests; zero fields are the defaults.
	waits waits

	// unproven is a key that core has just given and not yet accepted, and
	// when that was.
	unproven Key
	since    time.Time
}

// waits are the times between two tries.
type waits struct {
	// least and most bound the wait for a core that cannot be reached.
	least, most time.Duration
	// refused is the wait when somebody has to do something first. It is
	// well below the 5 minutes for which a restarted core takes components.
	refused time.Duration
	// again is how long a new key that core does not accept is kept before
	// another is asked for.
	again time.Duration
}

func (w waits) withDefaults() waits {
	return waits{
		least:   or(w.least, time.Second),
		most:    or(w.most, 30*time.Second),
		refused: or(w.refused, time.Minute),
		again:   or(w.again, time.Hour),
	}
}

// Ensure makes the client ready for signed calls and returns its account. It
// uses the key in the file as long as core accepts it and registers otherwise.
// It tries until it succeeds or ctx ends, whose error is then the only one it
// returns: core may start later than we do, and an administrator may reopen
// registration at any time. What stands in the way is logged when it changes
// and at growing intervals.
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
		q.failed(time.Now(), "not registered with core, trying on", err)
		wait := w.refused
		if errors.Is(err, ErrUnavailable) {
			wait = grow(w.least, w.most, n)
			var e *Error
			if errors.As(err, &e) {
				wait = max(wait, min(e.RetryAfter, w.refused))
			}
		} else {
			n = -1 // once core can be reached again, look often
		}
		if !sleep(ctx, spread(wait)) {
			return Profile{}, ctx.Err()
		}
	}
}

// try goes once through: find a key, ask core whose it is, register if it is
// nobody's.
func (r *Registrar) try(ctx context.Context, w waits) (Profile, error) {
	key, err := r.unproven, error(nil)
	if key.ID == "" {
		key, err = r.Keys.Load()
	}
	if errors.Is(err, ErrNoKey) {
		return r.register(ctx)
	}
	if err != nil {
		return Profile{}, err
	}
	p, err := r.check(ctx, key)
	if !errors.Is(err, ErrUnauthorized) {
		return p, err
	}
	if key == r.unproven && time.Since(r.since) < w.again {
		// Asking for key after key would fill core with components.
		return Profile{}, err
	}
	logger(r.Log).Warn("core no longer accepts our access key, registering again", "key", key)
	return r.register(ctx)
}

// register gets a new key, keeps it, and sees that it works.
func (r *Registrar) register(ctx context.Context) (Profile, error) {
	if err := r.Keys.Prepare(); err != nil {
		return Profile{}, err
	}
	key, err := r.Client.Register(ctx, r.Token, or(r.Name, componentName()))
	if err != nil {
		return Profile{}, err
	}
	r.unproven, r.since = key, time.Now()
	if err := r.Keys.Save(key); err != nil {
		// It works until we stop; the next start leaves this one behind.
		logger(r.Log).Error("the new access key is not kept", "error", err)
	}
	return r.check(ctx, key)
}

// check hands the key to the client and asks core whose it is.
func (r *Registrar) check(ctx context.Context, key Key) (Profile, error) {
	r.Client.SetKey(key)
	p, err := r.Client.profile(ctx, -1)
	if err == nil {
		r.unproven = Key{}
	} else if key == r.unproven && errors.Is(err, ErrUnauthorized) {
		err = fmt.Errorf("core has just given us this key, does a proxy before it change paths or headers? %w", err)
	}
	return p, err
}
