package statuspage

import (
	"cmp"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Reason is all tasks that failed, wait or were skipped for one reason.
type Reason struct {
	Class    queue.Class `json:"class"`
	Title    string      `json:"title"`
	Hint     string      `json:"hint"`          // what to do
	Alone    bool        `json:"retried_alone"` // tasks of the class are tried again without help, until they fail for good
	Failed   int         `json:"failed"`
	Retrying int         `json:"retrying"`
	Waiting  int         `json:"waiting"` // too early
	Skipped  int         `json:"skipped"`
	Done     int         `json:"done"`  // with a doubt about the MP4
	Error    string      `json:"error"` // of the task that changed last
	Latest   time.Time   `json:"latest"`
	Sessions []string    `json:"sessions"` // the first few
}

const sessionsShown = 5

// group counts a task with its reason. The last change comes first.
func group(reasons map[queue.Class]*Reason, t queue.Task) {
	r := reasons[t.Reason]
	if r == nil {
		why := task.ReasonOf(t.Reason)
		r = &Reason{Class: t.Reason, Title: why.Title, Hint: why.Hint, Alone: why.RetriedAlone(), Error: t.Error, Latest: t.Updated}
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

// sorted puts what failed first, then what is tried again, then the rest.
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
