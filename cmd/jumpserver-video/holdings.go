package main

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// holdings are measurements of the content of spool and trash, made at intervals.
type holdings struct {
	spool *health.Sample[map[upload.Place]upload.Usage]
	trash *health.Sample[cleanup.TrashUsage] // nil = no volume
}

func (a *agent) newHoldings(spool *upload.Spool) holdings {
	inSpool := &upload.Meter{Spool: spool}
	h := holdings{spool: &health.Sample[map[upload.Place]upload.Usage]{
		Name: "spool", Measure: inSpool.Measure, Every: a.opt.measureEvery, Log: a.log,
	}}
	if a.volume == nil {
		return h
	}
	inTrash := &cleanup.Meter{Root: a.cfg.ReplayDir}
	h.trash = &health.Sample[cleanup.TrashUsage]{Name: "trash", Every: a.opt.measureEvery, Log: a.log, Measure: func(ctx context.Context) (cleanup.TrashUsage, error) {
		if !a.volume.Status().Available {
			return cleanup.TrashUsage{}, health.ErrAway
		}
		usage, err := inTrash.Measure(ctx)
		if err != nil && a.mount.Look() != nil { // it became unavailable meanwhile
			err = health.ErrAway
		}
		return usage, err
	}}
	return h
}

// run measures until ctx ends.
func (h holdings) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.spool.Run(ctx) })
	if h.trash != nil {
		group.Go(func() error { return h.trash.Run(ctx) })
	}
	return group.Wait()
}

// measured adds the sources of tasks and folders to those of the metrics.
func (v *agentView) measured(s metrics.Sources) metrics.Sources {
	s.Spool = v.holdings.spool.Status
	if v.holdings.trash != nil {
		s.Trash = v.holdings.trash.Status
	}
	s.Work = func() health.Work {
		if v.health.Tasks == nil {
			return health.Work{}
		}
		return v.health.Tasks()
	}
	s.Incomplete = func(ctx context.Context) (int, error) {
		return v.api.Count(ctx, taskapi.Filter{States: []queue.State{queue.StateDone}, Incomplete: true})
	}
	return s
}
