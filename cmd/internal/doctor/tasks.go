package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// trouble counts the tasks that have one reason.
type trouble struct {
	failed, retrying int
	latest           string // error of the one that changed last
}

// tasks names each reason for which tasks of the agent on this host failed or
// are tried again. What is too early or left alone is as it should be. When no
// agent answers, the check of the agent says so.
func (d *Doctor) tasks(ctx context.Context) []Finding {
	const check = "tasks"
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	c := d.Config
	all, err := taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert).Tasks(ctx)
	switch {
	case errors.Is(err, taskapi.ErrNoAgent):
		return nil
	case err != nil:
		return []Finding{warn(check, "see to it that jumpserver-video tasks works on this host", "cannot be listed: %v", err)}
	}
	found := map[task.Class]*trouble{}
	for _, v := range all { // the one that changed last comes first
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
		return []Finding{good(check, "none has failed or is tried again, of %d", len(all))}
	}
	worst := func(a, b task.Class) int {
		return cmp.Or(cmp.Compare(found[b].failed, found[a].failed), cmp.Compare(found[b].retrying, found[a].retrying), cmp.Compare(a, b))
	}
	var findings []Finding
	for _, class := range slices.SortedFunc(maps.Keys(found), worst) {
		r := task.ReasonOf(class)
		fix := cmp.Or(r.Hint, "see jumpserver-video tasks")
		findings = append(findings, warn(check, fix, "%s: %s: %s; last: %s", found[class], class, r.Title, found[class].latest))
	}
	return findings
}

// String is the counts in words.
func (t trouble) String() string {
	var parts []string
	if t.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", t.failed))
	}
	if t.retrying > 0 {
		parts = append(parts, fmt.Sprintf("%d tried again later", t.retrying))
	}
	return strings.Join(parts, ", ")
}
