package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// uploadReserve is how many bytes of disk uploads leave free. Tests change it.
var uploadReserve int64 = 1 << 30

// expireEvery is the time between two looks for old uploads. Tests shorten it.
var expireEvery = time.Hour

const (
	uploadKeep     = 24 * time.Hour // of uploads that are never completed
	uploadInterval = 5 * time.Second
)

// uploads takes recordings over HTTP and hands them to the pool.
type uploads struct {
	spool   *upload.Spool
	server  *upload.Server
	pool    *transcode.Pool
	log     *slog.Logger
	wake    chan struct{}
	ffmpeg  string // its path
	started time.Time
	asking  chan struct{} // holds one while the spool's disk is asked for its space
}

// trouble lists what on this machine makes uploads impossible.
func (u *uploads) trouble() []string {
	var reasons []string
	if err := u.room(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if _, err := exec.LookPath(u.ffmpeg); err != nil {
		reasons = append(reasons, "ffmpeg is not there any more: "+u.ffmpeg)
	}
	return reasons
}

// patience is how long the spool's disk is waited for. Tests shorten it.
var patience = 5 * time.Second

// room tells whether there is room for uploads. The spool may be on a network,
// and hang; whoever asks is not to hang with it.
func (u *uploads) room() error {
	hangs := fmt.Errorf("the spool of uploads does not answer: %s", u.spool.Dir)
	timeout := time.After(patience)
	select {
	case u.asking <- struct{}{}:
	case <-timeout:
		return hangs
	}
	answer := make(chan error, 1)
	go func() {
		answer <- u.spool.Room(0)
		<-u.asking
	}()
	select {
	case err := <-answer:
		return err
	case <-timeout:
		return hangs
	}
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
	auth.MaxSkew = time.Duration(cfg.UploadSkew)
	u := &uploads{
		spool: &upload.Spool{Dir: cfg.Spool(), Reserve: uploadReserve, Keep: uploadKeep, KeepOld: cfg.OriginalsKeep.Duration()},
		pool:  pool, log: log, wake: make(chan struct{}, 1), asking: make(chan struct{}, 1), started: time.Now(),
	}
	if cfg.SpoolDir != "" {
		if u.spool.Agent, err = agentID(cfg.DataDir); err != nil {
			return nil, err
		}
	} else if err := u.tidy(); err != nil {
		return nil, err
	}
	u.server = &upload.Server{
		Spool: u.spool, Auth: auth, Log: log, Admit: admitAt(core),
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

// agentID names this agent for as long as it has its DATA_DIR, which is locked:
// no two have one name at a time.
func agentID(dir string) (string, error) {
	file := filepath.Join(dir, "agent-id")
	if data, err := os.ReadFile(file); err == nil && uuid.Validate(strings.TrimSpace(string(data))) == nil {
		return strings.TrimSpace(string(data)), nil
	}
	id := uuid.NewString()
	if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return id, nil
}

// tidy makes the spool's folder, and drops from it what this agent had begun
// before it started.
func (u *uploads) tidy() error {
	if err := os.MkdirAll(u.spool.Dir, 0o700); err != nil {
		return fmt.Errorf("spool of uploads: %w", err)
	}
	if n, err := u.spool.Recover(u.started); err != nil {
		u.log.Error("the spool of uploads cannot be tidied", "error", err)
	} else if n > 0 {
		u.log.Info("dropped uploads that broke off when the agent stopped", "count", n)
	}
	return nil
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

// admitAt asks core whether a session is one that is recorded as pictures.
func admitAt(core *coreapi.Client) upload.Admit {
	return func(ctx context.Context, id string) error {
		session, err := core.Session(ctx, id)
		switch {
		case errors.Is(err, coreapi.ErrNotFound):
			return fmt.Errorf("%w (%w)", upload.ErrNoSession, err)
		case err != nil:
			return err
		case session.TextOnly() || !session.Graphical():
			return fmt.Errorf("%w: the component is %q, the protocol %q", upload.ErrNoPicture, session.Terminal.Type, session.Protocol)
		}
		return nil
	}
}

// run queues what is complete in the spool, also what was when the agent
// stopped, and drops what is old.
func (u *uploads) run(ctx context.Context) error {
	expired := time.Time{}
	if u.spool.Agent != "" { // on a network, perhaps: the agent's start does not wait for it
		for {
			err := u.tidy()
			if err == nil {
				break
			}
			u.log.Error("SPOOL_DIR cannot be used; uploads are refused until it can", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(uploadInterval):
			}
		}
	}
	for {
		tasks, err := u.spool.Complete()
		if err != nil {
			u.log.Error("the spool of uploads cannot be read", "error", err)
		} else {
			paths := make([]string, len(tasks))
			for i, t := range tasks {
				paths[i] = t.Path
			}
			u.pool.Spooled(paths)
		}
		for _, t := range tasks {
			switch err := u.pool.Upload(ctx, t.Session, t.Path); {
			case err == nil, ctx.Err() != nil:
			case errors.Is(err, watcher.ErrInWork):
				u.log.Debug("an upload waits for another recording of its session", "session", t.Session, "upload", t.ID)
			default:
				u.log.Warn("an upload waits in the spool", "session", t.Session, "upload", t.ID, "error", err)
			}
		}
		if time.Since(expired) > expireEvery {
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
