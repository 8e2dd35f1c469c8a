package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"jumpserver-video/cleanup"
	"jumpserver-video/cmd/config"
	"jumpserver-video/coreapi"
	"jumpserver-video/transcode"
	"jumpserver-video/watcher/upload"
)

// uploadReserve is how many bytes of disk uploads leave free. Tests change it.
var uploadReserve int64 = 1 << 30

const (
	uploadKeep     = 24 * time.Hour // of uploads that are never completed
	uploadInterval = 5 * time.Second
)

// uploads takes recordings over HTTP and hands them to the pool.
type uploads struct {
	spool  *upload.Spool
	server *upload.Server
	pool   *transcode.Pool
	log    *slog.Logger
	wake   chan struct{}
	ffmpeg string // its path
}

// trouble lists what on this machine makes uploads impossible.
func (u *uploads) trouble() []string {
	var reasons []string
	if err := u.spool.Room(0); err != nil {
		reasons = append(reasons, err.Error())
	}
	if _, err := exec.LookPath(u.ffmpeg); err != nil {
		reasons = append(reasons, "ffmpeg is not there any more: "+u.ffmpeg)
	}
	return reasons
}

// newUploads makes the pool take uploads, too.
func newUploads(cfg config.Config, core *coreapi.Client, component *coreapi.Component, pool *transcode.Pool, stored *replays, log *slog.Logger) (*uploads, error) {
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
	if n, err := u.spool.Recover(); err != nil {
		log.Error("the spool of uploads cannot be tidied", "error", err)
	} else if n > 0 {
		log.Info("dropped uploads that broke off when the agent stopped", "count", n)
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
			if !component.State().Registered {
				return errors.New("not registered with core")
			}
			if err := pool.Queue.Trouble(); err != nil {
				return err
			}
			if err := stored.takes(); err != nil {
				return err
			}
			if reasons := u.trouble(); len(reasons) > 0 {
				return errors.New(strings.Join(reasons, "; "))
			}
			return nil
		},
	}
	u.ffmpeg = pool.Render.Tool.Path
	pool.SpoolDir = u.spool.Dir
	if cfg.Originals == cleanup.PolicyKeep {
		u.spool.KeepOld = -1
	}
	pool.Uploaded = func(id string, stored bool) {
		end := u.spool.Finish
		if stored && cfg.Originals == cleanup.PolicyDelete {
			end = u.spool.Remove
		}
		if err := end(id); err != nil && !errors.Is(err, upload.ErrNoTask) {
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
			return upload.Account{}, fmt.Errorf("%w: %w", upload.ErrSignature, err)
		case errors.Is(err, coreapi.ErrForbidden): // v3 core's answer to a disabled account
			return upload.Account{}, nil
		case err != nil:
			return upload.Account{}, fmt.Errorf("%w: %w", upload.ErrNoCore, err)
		}
		return upload.Account{ID: p.ID, Service: p.IsServiceAccount, Valid: p.IsValid}, nil
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
		} else {
			paths := make([]string, len(tasks))
			for i, t := range tasks {
				paths[i] = u.spool.Path(t)
			}
			u.pool.Spooled(paths)
		}
		for _, t := range tasks {
			switch err := u.pool.Upload(ctx, t.Session, u.spool.Path(t)); {
			case err == nil, ctx.Err() != nil:
			case errors.Is(err, transcode.ErrInWork):
				u.log.Debug("an upload waits for another recording of its session", "session", t.Session, "upload", t.ID)
			default:
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
