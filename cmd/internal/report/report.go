// Package report reports whether the sessions of a period have their videos: which
// have one, which do not and why, which may be incomplete, and how much was saved.
//
// The list of sessions comes from core, page by page. The result of each comes from
// the queue, which deletes tasks after some time. Otherwise it comes from the ledger
// of replacements, which keeps all entries, or from the replay volume. If core cannot
// be reached, the report contains only sessions with tasks, and says so.
package report

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Report is a report on the sessions of a period.
type Report struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"` // exclusive
	Made   time.Time `json:"made"`
	Source Source    `json:"source"`
	// Problem is why core's list of sessions is missing.
	Problem string `json:"problem,omitempty"`

	Sessions   int   `json:"sessions"`   // graphical sessions that have ended
	Video      int   `json:"video"`      // of those, with a video
	Without    int   `json:"without"`    // of those, without a video
	Incomplete int   `json:"incomplete"` // with a video that may lack a part of the recording
	Active     int   `json:"active"`     // graphical sessions that have not ended
	Text       int   `json:"text"`       // other sessions, which have no video
	Before     int64 `json:"bytes_before"`
	After      int64 `json:"bytes_after"`

	Why  []Why `json:"why"`  // reasons for a missing video, most frequent first
	Rows []Row `json:"rows"` // sessions without a video first, then incomplete ones
}

// Source is the origin of the list of sessions.
type Source string

// Origins of the list of sessions.
const (
	FromCore  Source = "core"
	FromTasks Source = "tasks" // lacks sessions without a recording
)

// Why is the number of sessions that have no video for one reason.
type Why struct {
	Reason task.Class `json:"reason"`
	Count  int        `json:"count"`
}

// Reasons in addition to those of tasks.
const (
	NoRecording task.Class = "no_recording" // core knows no replay, and nothing was found
	NotSeen     task.Class = "not_seen"     // core has a replay, which this agent has not converted
	Waiting     task.Class = "waiting"      // it is queued or in progress
)

// Reasons are all reasons that are not those of tasks.
var Reasons = []task.Class{NoRecording, NotSeen, Waiting}

// Row is one session.
type Row struct {
	ID         string        `json:"id"`
	Session    *task.Session `json:"session,omitempty"`
	Video      bool          `json:"video"`
	State      queue.State   `json:"state,omitempty"`  // of its task, if the queue has one
	Reason     task.Class    `json:"reason,omitempty"` // why there is no video, or why the video may be incomplete
	Error      string        `json:"error,omitempty"`
	Before     int64         `json:"bytes_before,omitempty"`
	After      int64         `json:"bytes_after,omitempty"`
	Incomplete bool          `json:"incomplete,omitempty"`
}

// Maker makes reports, one at a time. Its fields must be set before its first use.
type Maker struct {
	Sessions  func(context.Context, coreapi.SessionQuery) (coreapi.SessionPage, error)
	Tasks     func(context.Context) ([]*queue.Task, error)
	View      func(queue.Task) task.View // hides what must not be shown of a task
	Ledger    string                     // the ledger's file
	ReplayDir string                     // "" = no volume, or it is unavailable
	HideNames bool

	mu sync.Mutex // one report at a time, because each loads core
}

const (
	pageSize    = 200     // in one request to core
	maxSessions = 500_000 // in a report
)

// Make makes the report on the sessions that began at from or later, and before to.
// It fails only if the queue does.
func (m *Maker) Make(ctx context.Context, from, to time.Time) (*Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &Report{From: from.UTC(), To: to.UTC(), Made: time.Now().UTC(), Source: FromCore, Why: []Why{}, Rows: []Row{}}
	tasks, err := m.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*queue.Task, len(tasks))
	for _, t := range tasks {
		byID[t.ID] = t
	}
	sessions, err := m.ask(ctx, from, to)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		r.Source, r.Problem = FromTasks, err.Error()
		m.ofTasks(r, tasks, from, to)
	} else {
		m.ofSessions(ctx, r, sessions, byID)
	}
	r.sum()
	return r, nil
}

// ask gets the sessions of a period from core.
func (m *Maker) ask(ctx context.Context, from, to time.Time) ([]coreapi.Session, error) {
	var all []coreapi.Session
	for offset := 0; ; {
		page, err := m.Sessions(ctx, coreapi.SessionQuery{From: from, To: to, Oldest: true, Offset: offset, Limit: pageSize})
		if err != nil {
			return nil, err
		}
		for _, s := range page.Sessions { // core ignores parameters of a query that it does not know
			if !s.DateStart.Before(from) && s.DateStart.Before(to) {
				all = append(all, s)
			}
		}
		if offset += len(page.Sessions); !page.More || len(page.Sessions) == 0 || len(all) >= maxSessions {
			return all, nil
		}
	}
}

// ofSessions adds core's sessions with their results.
func (m *Maker) ofSessions(ctx context.Context, r *Report, sessions []coreapi.Session, tasks map[string]*queue.Task) {
	replaced := m.replaced()
	for _, s := range sessions {
		switch {
		case !s.Graphical():
			r.Text++
			continue
		case !s.IsFinished:
			r.Active++
			continue
		}
		row := Row{ID: s.ID, Session: task.SessionOf(s)}
		if m.HideNames {
			row.Session = nil
		}
		t := tasks[s.ID]
		if t != nil {
			row.take(m.View(*t))
		}
		if e, ok := replaced[s.ID]; ok && !row.Video && (t == nil || t.State == queue.StateSkipped) {
			row.Video, row.Reason, row.Error, row.Incomplete = true, "", "", e.Incomplete
			row.After = e.MP4.Size
			if e.Source != nil {
				row.Before = e.Source.Size
			}
		}
		if t == nil && !row.Video {
			m.look(ctx, &row, s)
		}
		r.Rows = append(r.Rows, row)
	}
}

// ofTasks adds the tasks of a period.
func (m *Maker) ofTasks(r *Report, tasks []*queue.Task, from, to time.Time) {
	for _, t := range tasks {
		v := m.View(*t)
		began := cmp.Or(t.Date, t.Created)
		if s := task.JournalOf(t.Data).Session; s != nil {
			began = s.Start
		}
		if began.Before(from) || !began.Before(to) {
			continue
		}
		switch t.Reason {
		case task.ClassKind, task.ClassNotGraphical:
			r.Text++
			continue
		case task.ClassSessionActive:
			r.Active++
			continue
		}
		row := Row{ID: t.ID, Session: v.Session}
		row.take(v)
		r.Rows = append(r.Rows, row)
	}
}

// take copies the result of a task.
func (row *Row) take(v task.View) {
	row.State, row.Before, row.After, row.Incomplete = v.State, v.Before, v.After, len(v.Incomplete) > 0
	row.Reason, row.Error = v.Reason, v.Error
	switch row.Video = v.State == queue.StateDone; {
	case row.Video:
	case row.Reason == "":
		row.Reason, row.After = Waiting, 0
	default:
		row.After = 0
	}
}

// look finds the result of a session that is in neither queue nor ledger.
func (m *Maker) look(ctx context.Context, row *Row, s coreapi.Session) {
	row.Reason = NoRecording
	if s.HasReplay {
		row.Reason = NotSeen
	}
	if m.ReplayDir == "" || ctx.Err() != nil {
		return
	}
	id, err := uuid.Parse(s.ID) // core's value, which becomes part of a path
	if err != nil {
		return
	}
	if st, err := os.Stat(filepath.Join(m.ReplayDir, s.DateDir(), id.String()+".replay.mp4")); err == nil && st.Mode().IsRegular() { //nolint:gosec // a UUID in its standard form
		row.Video, row.Reason, row.After = true, "", st.Size()
	}
}

// replaced returns the last replacement of each session.
func (m *Maker) replaced() map[string]ledger.Entry {
	all := map[string]ledger.Entry{}
	_ = ledger.Replaced(m.Ledger, func(e ledger.Entry) { // the command verify reports problems of the ledger
		if e.MP4 != nil {
			all[e.Session] = e
		}
	})
	return all
}

// sum counts the rows and sorts them.
func (r *Report) sum() {
	why := map[task.Class]int{}
	for _, row := range r.Rows {
		r.Sessions++
		if !row.Video {
			r.Without++
			why[row.Reason]++
			continue
		}
		r.Video++
		if row.Incomplete {
			r.Incomplete++
		}
		if row.Before > 0 {
			r.Before += row.Before
			r.After += row.After
		}
	}
	for reason, n := range why {
		r.Why = append(r.Why, Why{reason, n})
	}
	slices.SortFunc(r.Why, func(a, b Why) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return cmp.Compare(a.rank(), b.rank()) })
}

// rank sorts sessions that need attention first.
func (row Row) rank() int {
	switch {
	case !row.Video:
		return 0
	case row.Incomplete:
		return 1
	default:
		return 2
	}
}
