package statuspage

import (
	"cmp"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Reason counts the tasks that failed, wait or were skipped for one reason.
type Reason struct {
	Class    queue.Class `json:"class"`
	Alone    bool        `json:"retried_alone"` // tasks of the class are retried automatically, until they fail permanently
	Failed   int         `json:"failed"`
	Retrying int         `json:"retrying"`
	Waiting  int         `json:"waiting"` // settling
	Skipped  int         `json:"skipped"`
	Done     int         `json:"done"`  // done, but the MP4 may be incomplete
	Error    string      `json:"error"` // of the task that changed last
	Latest   time.Time   `json:"latest"`
	Sessions []string    `json:"sessions"` // the first few
}

const sessionsShown = 5

// group counts a task under its reason. Tasks must come sorted by last change, newest
// first.
func group(reasons map[queue.Class]*Reason, t *queue.Task) {
	r := reasons[t.Reason]
	if r == nil {
		r = &Reason{Class: t.Reason, Alone: task.ReasonOf(t.Reason).RetriedAutomatically(), Error: t.Error, Latest: t.Updated}
		reasons[t.Reason] = r
	}
	switch t.State {
	case queue.StateFailed:
		r.Failed++
	case queue.StateSkipped:
		r.Skipped++
	case queue.StateRetrying:
		r.Retrying++
	case queue.StateDone:
		r.Done++
	default:
		r.Waiting++
	}
	if len(r.Sessions) < sessionsShown {
		r.Sessions = append(r.Sessions, t.ID)
	}
}

// sorted returns failed ones first, then those that are retried, then the rest.
func sorted(reasons map[queue.Class]*Reason) []Reason {
	list := []Reason{}
	for _, r := range reasons {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Retrying, a.Retrying),
			cmp.Compare(b.Waiting+b.Skipped, a.Waiting+a.Skipped), cmp.Compare(a.Class, b.Class))
	})
	return list
}
