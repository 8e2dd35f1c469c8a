package doctor

import (
	"context"
	"sync"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/notify"
)

// Notify sends a test message to each target of NOTIFY_URL, and returns one finding
// for each. name is the name of the agent.
func (d *Doctor) Notify(ctx context.Context, lang i18n.Lang, name string) []Finding {
	targets, err := notify.Parse(string(d.Config.NotifyURL))
	if err != nil {
		return []Finding{bad(Notify, i18n.T("doctor.fix_notify"), raw(err))}
	}
	if len(targets) == 0 {
		return []Finding{bad(Notify, i18n.T("doctor.fix_notify_none"), i18n.T("doctor.notify_none"))}
	}
	found := make([]Finding, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() {
			if err := t.Send(ctx, notify.Test(lang, d.Config.PageURL(), name)); err != nil {
				found[i] = bad(Notify, i18n.T("doctor.fix_notify"), i18n.T("doctor.notify_refused", "target", t.String(), "error", say(err)))
			} else {
				found[i] = good(Notify, i18n.T("doctor.notify_taken", "target", t.String()))
			}
		})
	}
	all.Wait()
	return found
}
