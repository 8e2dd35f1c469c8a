package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// watchQueue ends when the tasks have been removed under the agent: the next
// start finds out anew what is to be done.
func (a *agent) watchQueue(ctx context.Context) error {
	select {
	case err := <-a.tasks.Gone():
		return err
	case <-ctx.Done():
		return nil
	}
}

// work finds recordings and converts them, from when core knows the agent and
// has said where MP4s go: without a key, or without a place, every step would
// fail.
func (a *agent) work(ctx context.Context) error {
	if err := a.waitRegistered(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.follower.Run(ctx, a.pool) })
	if err := a.follower.Wait(ctx); err != nil {
		return errors.Join(err, group.Wait())
	}
	parts := []func(context.Context) error{a.pool.Run, a.followCore, a.purge, a.intake.Run}
	if a.volume != nil {
		parts = append(parts, a.watchVolume)
	}
	for _, part := range parts {
		group.Go(func() error { return part(ctx) })
	}
	return group.Wait()
}

// waitRegistered returns when core has accepted the component's key.
func (a *agent) waitRegistered(ctx context.Context) error {
	for !a.component.State().Registered {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// followCore tells the pool when core is there again after it was away, or had
// refused our key.
func (a *agent) followCore(ctx context.Context) error {
	for away := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		was := away
		if away = a.component.State().LastError != ""; was && !away {
			a.log.Info("core is back; what waited for it goes on")
			if err := a.pool.CoreIsBack(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("what waited for core goes on later", "error", err)
			}
		}
	}
}

// watchVolume looks for recordings on the volume.
func (a *agent) watchVolume(ctx context.Context) error {
	a.volume.State, a.volume.Epoch = a.watcherState(ctx)
	return a.volume.Run(ctx)
}

// watcherState returns the file in which the watcher of the volume records
// finished days, and the queue generation for which that record is valid. Both
// are empty while a shared queue is unreachable.
func (a *agent) watcherState(ctx context.Context) (state, epoch string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	born, err := a.tasks.Born(ctx)
	if err != nil {
		return "", ""
	}
	state = filepath.Join(a.cfg.DataDir, "volume.json")
	if distrusts(ctx, a.tasks) {
		_ = os.Remove(state)
	}
	return state, born.UTC().Format(time.RFC3339Nano)
}

// purge forgets tasks that ended long ago, once a day.
func (a *agent) purge(ctx context.Context) error {
	for {
		if n, err := a.tasks.Purge(ctx, a.cfg.CleanPeriod.Duration()); err != nil && ctx.Err() == nil {
			a.log.Warn("old tasks could not be forgotten", "error", err)
		} else if n > 0 {
			a.log.Info("forgot old tasks", "count", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(24 * time.Hour):
		}
	}
}
