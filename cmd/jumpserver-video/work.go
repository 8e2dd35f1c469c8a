package main

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// watchQueue returns an error if the tasks are removed while the agent runs. The next start
// then finds out again what must be done.
func (a *agent) watchQueue(ctx context.Context) error {
	select {
	case err := <-a.tasks.Gone():
		return err
	case <-ctx.Done():
		return nil
	}
}

// work finds recordings and converts them, once core has accepted the agent and the
// destination of MP4s is known: without a key or a destination, every step would fail.
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
	if a.rights != nil {
		parts = append(parts, a.watchRights)
	}
	for _, part := range parts {
		group.Go(func() error { return part(ctx) })
	}
	return group.Wait()
}

// waitRegistered waits until core has accepted the component's key.
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

// followCore notifies the pool when core can be reached again, or accepts the agent's key
// again.
func (a *agent) followCore(ctx context.Context) error {
	for away := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		was := away
		if away = a.component.State().LastError != ""; was && !away {
			a.log.Info("core is back; continuing the tasks that waited for it")
			if err := a.pool.CoreIsBack(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("cannot continue the tasks that waited for core; retrying later", "error", err)
			}
		}
	}
}

// watchVolume watches the volume for recordings.
func (a *agent) watchVolume(ctx context.Context) error {
	a.volume.State, a.volume.Epoch = a.watcherState(ctx)
	return a.volume.Run(ctx)
}

// watchRights checks the rights on the volume, also while there is nothing to do there.
func (a *agent) watchRights(ctx context.Context) error {
	return a.rights.Run(ctx, func() string { return a.volume.Status().Newest }, a.pool.RightsAreBack)
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
	state = a.cfg.Dir(watcher.StateFile)
	if distrusts(ctx, a.tasks) {
		_ = os.Remove(state)
	}
	return state, born.UTC().Format(time.RFC3339Nano)
}

// recordsKeep is the minimum time for which the record of a task is kept: if its recording
// is found again, the record identifies it.
const recordsKeep = 30 * 24 * time.Hour

// purge deletes old records of ended tasks, once a day. Records of uploads are kept as long
// as the uploads, so that their videos can be made again.
func (a *agent) purge(ctx context.Context) error {
	keep := max(recordsKeep, a.cfg.CleanPeriod.Duration(), a.cfg.OriginalsKeep.Duration()+24*time.Hour)
	for {
		if n, err := a.tasks.Purge(ctx, keep); err != nil && ctx.Err() == nil {
			a.log.Warn("cannot delete old tasks from the queue", "error", err)
		} else if n > 0 {
			a.log.Info("deleted old tasks from the queue", "count", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(24 * time.Hour):
		}
	}
}
