package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"jumpserver-video/cmd/config"
	"jumpserver-video/coreapi"
	"jumpserver-video/transcode"
	"jumpserver-video/watcher/upload"
)

const (
	uploadReserve  = 1 << 30        // bytes of disk that uploads leave free
	uploadKeep     = 24 * time.Hour // of uploads that are never completed
	uploadInterval = 30 * time.Second
)

// uploads takes recordings over HTTP and hands them to the pool.
type uploads struct {
	spool  *upload.Spool
	server *upload.Server
	pool   *transcode.Pool
	log    *slog.Logger
	wake   chan struct{}
}

// newUploads makes the pool take uploads, too.
func newUploads(cfg config.Config, core *coreapi.Client, component *coreapi.Component, pool *transcode.Pool, log *slog.Logger) (*uploads, error) {
	if cfg.SecretKey == "" {
		log.Info("VIDEO_WORKER_SECRET_KEY is empty: logins of Lion v3 hold at this worker and until it restarts")
	}
	auth, err := upload.NewAuth(checkAt(core), string(cfg.SecretKey))
	if err != nil {
		return nil, err
	}
	u := &uploads{
		spool: &upload.Spool{Dir: cfg.Dir("spool"), Reserve: uploadReserve, Keep: uploadKeep, KeepOld: cfg.OriginalsKeep.Duration()},
		pool:  pool, log: log, wake: make(chan struct{}, 1),
	}
	u.server = &upload.Server{
		Spool: u.spool, Auth: auth, Log: log,
		Accepted: func(upload.Task) {
			select {
			case u.wake <- struct{}{}:
			default:
			}
		},
		Ready: func() error {
			if cfg.ReplayDir == "" {
				return errors.New("REPLAY_DIR is empty: there is no way to check that core has the MP4")
			}
			if !component.State().Registered {
				return errors.New("not registered with core")
			}
			return nil
		},
	}
	pool.SpoolDir = u.spool.Dir
	pool.Uploaded = func(id string) {
		if err := u.spool.Finish(id); err != nil && !errors.Is(err, upload.ErrNoTask) {
			log.Warn("an upload stays in the spool", "upload", id, "error", err)
		}
	}
	return u, nil
}

// checkAt asks core whose signature it is.
func checkAt(core *coreapi.Client) upload.Check {
	return func(ctx context.Context, authorization, date, org string) (upload.Account, error) {
		p, err := core.ForwardProfile(ctx, authorization, date, org)
		switch {
		case errors.Is(err, coreapi.ErrUnauthorized):
			return upload.Account{}, errors.Join(upload.ErrSignature, err)
		case err != nil:
			return upload.Account{}, errors.Join(upload.ErrNoCore, err)
		}
		return upload.Account{ID: p.ID, Service: p.IsServiceAccount, Valid: p.IsValid}, nil
	}
}

// register adds the API of Video-Worker.
func (u *uploads) register(mux *http.ServeMux) {
	api := u.server.Handler()
	for _, path := range []string{"/api/v1/users/profile/", "/ws/events/", "/api/v2/replay/"} {
		mux.Handle(path, api)
	}
}

// run queues what is complete in the spool, also what was when the agent
// stopped, and drops what is old.
func (u *uploads) run(ctx context.Context) error {
	expired := time.Time{}
	for {
		tasks, err := u.spool.Complete()
		if err != nil {
			u.log.Error("the spool of uploads cannot be read", "error", err)
		}
		for _, t := range tasks {
			if err := u.pool.Upload(ctx, t.Session, u.spool.Path(t)); err != nil && ctx.Err() == nil {
				u.log.Warn("an upload waits in the spool", "session", t.Session, "upload", t.ID, "error", err)
			}
		}
		if time.Since(expired) > time.Hour {
			expired = time.Now()
			if n, err := u.spool.Expire(expired); err != nil {
				u.log.Warn("old uploads could not be dropped", "error", err)
			} else if n > 0 {
				u.log.Info("dropped old uploads", "count", n)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-u.wake:
		case <-time.After(uploadInterval):
		}
	}
}
