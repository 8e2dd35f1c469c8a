package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// uploadKeep is how long uploads are kept that are not completed.
const uploadKeep = 24 * time.Hour

// newSpool returns the spool of uploads.
func (a *agent) newSpool(count *tally) (*upload.Spool, error) {
	s := &upload.Spool{
		Dir: a.cfg.Spool(), Reserve: a.opt.uploadReserve, Keep: uploadKeep, KeepOld: a.cfg.OriginalsKeep.Duration(),
		DropStored: a.cfg.Originals == cleanup.PolicyDelete, Count: count.metrics.Upload,
	}
	if a.cfg.Originals == cleanup.PolicyKeep {
		s.KeepOld = -1
	}
	if a.cfg.SpoolDir == "" {
		return s, nil
	}
	var err error
	s.Agent, err = upload.AgentID(a.cfg.DataDir)
	return s, err
}

// newIntake returns the intake, which passes complete uploads from the spool to the pool.
func (a *agent) newIntake(spool *upload.Spool) (*upload.Intake, error) {
	return upload.NewIntake(upload.IntakeOptions{
		Spool: spool, Present: a.pool.Spooled, Hand: a.pool.Upload, Expire: a.opt.expireEvery, Log: a.log,
	})
}

// newUploads returns the server that accepts uploads into the spool.
func (a *agent) newUploads(core *coreapi.Client, spool *upload.Spool) (*upload.Server, error) {
	if a.cfg.SecretKey == "" {
		a.log.Info("VIDEO_WORKER_SECRET_KEY is empty: logins of Lion v3 are valid only at this worker, until it restarts")
	}
	auth, err := upload.NewAuth(checkAt(core), string(a.cfg.SecretKey))
	if err != nil {
		return nil, err
	}
	auth.MaxSkew = time.Duration(a.cfg.UploadSkew)
	return &upload.Server{Spool: spool, Auth: auth, Accepted: a.intake.Accepted, Ready: a.takesUploads, Admit: admitAt(core), Log: a.log}, nil
}

// takesUploads returns why uploads are not accepted now.
func (a *agent) takesUploads() error { return a.health.Conditions().Err(health.Uploads) }

// checkAt returns a check that asks core for the account of a signature.
func checkAt(core *coreapi.Client) upload.Check {
	return func(ctx context.Context, authorization, date, org string) (upload.Account, error) {
		p, err := core.ForwardProfile(ctx, authorization, date, org)
		switch {
		case errors.Is(err, coreapi.ErrUnauthorized):
			return upload.Account{}, fmt.Errorf("%w: %w", upload.ErrSignature, err)
		case errors.Is(err, coreapi.ErrForbidden): // response of core v3 for a disabled account
			return upload.Account{}, nil
		case err != nil:
			return upload.Account{}, fmt.Errorf("%w: %w", upload.ErrNoCore, err)
		}
		return upload.Account{ID: p.ID, Service: p.IsServiceAccount, Valid: p.IsValid}, nil
	}
}

// admitAt returns a check that asks core whether a session is a graphical one.
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
