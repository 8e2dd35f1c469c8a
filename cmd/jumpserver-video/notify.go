package main

import (
	"cmp"
	"os"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/notify"
)

// newNotifier returns the notifier, which notifies people of problems. count passes tasks
// that have ended to it.
func (a *agent) newNotifier(count *tally) (*notify.Notifier, error) {
	targets, err := notify.Parse(string(a.cfg.NotifyURL))
	if err != nil {
		return nil, err
	}
	n := &notify.Notifier{
		Targets: targets, Lang: notifyLang(a.cfg), Link: a.cfg.PageURL(), File: a.cfg.Dir("notified.json"), Log: a.log,
		Name:       func() string { return a.component.State().Name },
		Conditions: func() health.Conditions { return a.health.Conditions() },
		Settle:     a.opt.notifySettle, Every: a.opt.notifyEvery, Poll: a.opt.notifyPoll,
		Count: count.metrics.Notification,
	}
	for _, t := range targets {
		count.metrics.Notifies(t.Service())
	}
	count.ended = n.Ended
	return n, nil
}

// notifyLang returns the language of notifications: that of the setting, or of the agent's
// environment.
func notifyLang(cfg config.Config) i18n.Lang {
	return cmp.Or(i18n.Lang(cfg.NotifyLang), i18n.FromEnv(os.Getenv))
}
