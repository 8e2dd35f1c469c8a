package doctor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// trouble counts the tasks with one reason.
type trouble struct {
	failed, retrying int
	latest           string // error of the task that changed last
}

// tasks returns a finding for each reason for which tasks of the agent on this host
// failed or are being retried. Settling and skipped tasks are not problems. If no
// agent responds, the check of the agent reports that.
func (d *Doctor) tasks(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	c := d.Config
	all, err := taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert).Tasks(ctx)
	switch {
	case errors.Is(err, taskapi.ErrNoAgent):
		return nil
	case err != nil:
		return []Finding{warn(Tasks, i18n.T("doctor.fix_tasks"), i18n.T("doctor.no_tasks", "error", say(err)))}
	}
	found := map[task.Class]*trouble{}
	for _, v := range all { // sorted by last change, newest first
		if v.State != queue.StateFailed && v.State != queue.StateRetrying {
			continue
		}
		t := found[v.Reason]
		if t == nil {
			t = &trouble{latest: v.Error}
			found[v.Reason] = t
		}
		if v.State == queue.StateFailed {
			t.failed++
		} else {
			t.retrying++
		}
	}
	if len(found) == 0 {
		return []Finding{good(Tasks, i18n.T("doctor.tasks_ok", "n", len(all)))}
	}
	worst := func(a, b task.Class) int {
		return cmp.Or(cmp.Compare(found[b].failed, found[a].failed), cmp.Compare(found[b].retrying, found[a].retrying), cmp.Compare(a, b))
	}
	var findings []Finding
	for _, class := range slices.SortedFunc(maps.Keys(found), worst) {
		fix := i18n.T("doctor.fix_task")
		if hint := "hint." + string(class); i18n.Has(hint) {
			fix = i18n.Text{Key: hint}
		}
		findings = append(findings, warn(Tasks, fix, i18n.T("doctor.tasks_failing", "count", found[class].text(), "class", string(class),
			"reason", i18n.Of("reason", class), "error", found[class].latest)))
	}
	return findings
}

// text returns the counts as text.
func (t trouble) text() i18n.Text {
	failed, retried := i18n.T("doctor.failed", "n", t.failed), i18n.T("doctor.retried", "n", t.retrying)
	switch {
	case t.retrying == 0:
		return failed
	case t.failed == 0:
		return retried
	default:
		return i18n.T("doctor.failed_and_retried", "failed", failed, "retried", retried)
	}
}
