package statuspage

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/savings"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// Server answers for the page. Its fields are set before Register.
type Server struct {
	Version string // of the program, with its commit and date
	Access  *taskapi.Access
	CoreURL string
	Keep    string // what becomes of originals, in words

	Tasks    func(context.Context) ([]queue.Task, error)
	Settling func() []task.View // recordings found and not yet queued
	Core     func() coreapi.State
	Volume   func() watcher.Status // nil = no volume
	Storage  func() Storage        // where MP4s go; its Error is left to Health
	Health   func() health.Conditions
	CPU      func() throttle.Status
	Disks    map[string]func() health.Space // by what is on them
	Savings  *savings.Account
	Log      *slog.Logger

	mu    sync.Mutex // one computes, the others wait for it
	last  Status     // guarded by mu
	until time.Time  // how long last serves; guarded by mu
}

// Status is everything that the page shows but logs.
type Status struct {
	Now      time.Time `json:"now"`
	Version  string    `json:"version"`
	MayAct   bool      `json:"may_act"`   // the caller may retry tasks
	TokenSet bool      `json:"token_set"` // there is a token to sign in with

	Queue   Queue           `json:"queue"`
	Reasons []Reason        `json:"reasons"` // the most frequent first
	Recent  []task.View     `json:"recent"`  // that ended, the last first
	Rate    Rate            `json:"rate"`
	Savings Savings         `json:"savings"`
	CPU     throttle.Status `json:"cpu"`
	Core    Core            `json:"core"`
	Volume  *Volume         `json:"volume"` // null = none
	Storage Storage         `json:"storage"`
	Uploads Uploads         `json:"uploads"`
	Disks   []Disk          `json:"disks"`
}

// Queue is what is to be done.
type Queue struct {
	Error   string              `json:"error,omitempty"` // why the queue does not answer
	Counts  map[queue.State]int `json:"counts"`
	Open    int                 `json:"open"`       // tasks that have not ended
	Bytes   int64               `json:"bytes"`      // of recordings in them
	Working []task.View         `json:"working"`    // in work now, the one that began first
	Waiting []task.View         `json:"waiting"`    // the first few of the others
	Oldest  *time.Time          `json:"oldest"`     // when the oldest open task was found
	Done    float64             `json:"bytes_done"` // of Bytes, by progress
}

// Savings is the account of space.
type Savings struct {
	savings.Sum
	Since string        `json:"since"` // YYYY-MM-DD
	Keep  string        `json:"keep"`
	Days  []savings.Day `json:"days"`
}

// Core is how the agent stands with core.
type Core struct {
	URL        string     `json:"url"`
	Name       string     `json:"name"`
	Registered bool       `json:"registered"`
	Online     bool       `json:"online"`
	LastBeat   *time.Time `json:"last_beat"`
	Error      string     `json:"error,omitempty"`
	Since      *time.Time `json:"error_since"`
}

// Volume is how the replay volume is.
type Volume struct {
	Available bool           `json:"available"`
	Reason    string         `json:"reason,omitempty"`
	Since     *time.Time     `json:"since"`
	Mode      string         `json:"mode"`
	LastPoll  *time.Time     `json:"last_poll"`
	LastSweep *time.Time     `json:"last_sweep"`
	Files     map[string]int `json:"files"`
}

// Storage is where MP4s go.
type Storage struct {
	Place     string     `json:"place"`           // of a bucket; empty = core's own storage
	Error     string     `json:"error,omitempty"` // why nothing can be published there
	LastPoll  *time.Time `json:"last_poll"`       // of a bucket's recent days
	LastSweep *time.Time `json:"last_sweep"`      // of all its days
	Waiting   int        `json:"waiting"`         // recordings in it that are offered again later
}

// Uploads is whether Lion and Razor may hand over recordings.
type Uploads struct {
	Error string `json:"error,omitempty"` // why they are refused
}

// Disk is the space of one file system.
type Disk struct {
	Holds string `json:"holds"`
	health.Space
}

const (
	waitingShown = 10
	recentShown  = 12
	daysShown    = 30
)

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	status := s.status(r.Context())
	status.MayAct = s.Access.TokenSet() // and it was sent
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(status); err != nil {
		s.Log.Debug("answer not taken", "error", err)
	}
}

// status answers from the last computation as long as computing anew would
// take more than a tenth of a processor, and for a second at least.
func (s *Server) status(ctx context.Context) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	if began.Before(s.until) {
		return s.last
	}
	s.last = s.compute(ctx, began.UTC())
	s.until = time.Now().Add(max(time.Second, 10*time.Since(began)))
	return s.last
}

func (s *Server) compute(ctx context.Context, now time.Time) Status {
	status := Status{Now: now, Version: s.Version, TokenSet: s.Access.TokenSet(), CPU: s.CPU(), Core: s.core(), Volume: s.volume(), Storage: s.Storage()}
	status.explain(s.Health())
	total, since := s.Savings.Total()
	status.Savings = Savings{Sum: total, Since: since, Keep: s.Keep, Days: s.Savings.Last(daysShown, now)}
	for holds, space := range s.Disks {
		status.Disks = append(status.Disks, Disk{holds, space()})
	}
	slices.SortFunc(status.Disks, func(a, b Disk) int { return cmp.Compare(a.Holds, b.Holds) })
	tasks, err := s.Tasks(ctx)
	if err != nil {
		status.Queue.Error = err.Error()
	}
	s.fill(&status, tasks)
	return status
}

// explain says of each part what is wrong with it.
func (s *Status) explain(c health.Conditions) {
	s.Core.Error = c.Of(health.Core).Detail
	s.Queue.Error = c.Of(health.Queue).Reason
	if s.Volume != nil {
		s.Volume.Reason = c.Of(health.Volume).Reason
	}
	s.Storage.Error = c.Of(health.Storage).Reason
	s.Uploads.Error = c.Of(health.Uploads).Reason
}

// fill goes through the tasks, which come with the last change first.
func (s *Server) fill(status *Status, tasks []queue.Task) {
	q := &status.Queue
	q.Counts = map[queue.State]int{}
	reasons := map[queue.Class]*Reason{}
	hour := window{from: status.Now.Add(-time.Hour), to: status.Now}
	var waiting []queue.Task
	for _, t := range tasks {
		q.Counts[t.State]++
		switch {
		case t.State.Final():
			if len(status.Recent) < recentShown {
				status.Recent = append(status.Recent, task.ViewOf(t))
			}
			if t.State == queue.StateDone && t.Updated.After(hour.from) {
				hour.add(task.ViewOf(t))
			}
		case t.Held():
			v := task.ViewOf(t)
			q.Working = append(q.Working, v)
			q.open(t, v.Before, worked(v))
		default:
			waiting = append(waiting, t)
			q.open(t, task.SourceOf(t).Size, 0)
		}
		if t.Reason != "" {
			group(reasons, t)
		}
	}
	slices.SortFunc(q.Working, func(a, b task.View) int { return a.Created.Compare(b.Created) })
	slices.SortFunc(waiting, queue.Before)
	for _, t := range waiting[:min(waitingShown, len(waiting))] {
		q.Waiting = append(q.Waiting, task.ViewOf(t))
	}
	if s.Settling != nil {
		settling := s.Settling()
		q.Counts[queue.StateSettling] += len(settling)
		q.Open += len(settling)
		for _, v := range settling {
			q.Bytes += v.Before
			if len(q.Waiting) < waitingShown {
				q.Waiting = append(q.Waiting, v)
			}
		}
	}
	status.Reasons = sorted(reasons)
	status.Rate = hour.rate(float64(q.Bytes) - q.Done)
}

// worked is how much of a task's work is behind it: drawing and encoding are
// nearly all of it.
func worked(v task.View) float64 {
	switch v.State {
	case queue.StateRendering:
		return v.Progress
	case queue.StateVerifying, queue.StateUploading, queue.StateConfirming, queue.StateRetiring:
		return 1
	default:
		return 0
	}
}

// open counts a task that has not ended.
func (q *Queue) open(t queue.Task, size int64, progress float64) {
	q.Open++
	q.Bytes += size
	q.Done += progress * float64(size)
	if q.Oldest == nil || t.Created.Before(*q.Oldest) {
		q.Oldest = &t.Created
	}
}

func (s *Server) core() Core {
	c := s.Core()
	return Core{
		URL: s.CoreURL, Name: c.Name, Registered: c.Registered, Online: c.Online, LastBeat: Some(c.LastBeat), Since: Some(c.ErrorSince),
	}
}

func (s *Server) volume() *Volume {
	if s.Volume == nil {
		return nil
	}
	v := s.Volume()
	files := map[string]int{}
	for class, n := range v.Names {
		files[class.String()] = n
	}
	return &Volume{
		Available: v.Available, Since: Some(v.Since), Mode: string(v.Mode), LastPoll: Some(v.LastPoll),
		LastSweep: Some(v.LastSweep), Files: files,
	}
}

// Some is a time, or nil for none.
func Some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
