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
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/savings"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// Server serves the page's data. Its fields must be set before Register.
type Server struct {
	Version string // of the program, with commit and date
	Access  *taskapi.Access
	CoreURL string
	Public  string    // JumpServer's address for browsers; "" = unknown
	Keep    i18n.Text // what happens to originals

	Tasks    func(context.Context) ([]*queue.Task, error) // sorted by last change, newest first
	View     func(queue.Task) task.View                   // hides what must not be shown of a task
	Settling func() []task.View                           // recordings that were found, but are not queued yet
	Core     func() coreapi.State
	Volume   func() watcher.Status // nil = no volume
	Storage  func() Storage        // where MP4s are stored; Health sets its Error
	Health   func() health.Conditions
	CPU      func() throttle.Status
	Steering func() steering.Status         // nil = no run-time changes
	Disks    map[string]func() health.Space // by their content
	Savings  *savings.Account
	Log      *slog.Logger

	mu    sync.Mutex // one request computes the status, others wait for it
	last  Status     // guarded by mu
	until time.Time  // end of the validity of last; guarded by mu
}

// Status is everything that the page shows, except logs.
type Status struct {
	Now      time.Time `json:"now"`
	Version  string    `json:"version"`
	MayAct   bool      `json:"may_act"`   // the caller is allowed to change tasks
	TokenSet bool      `json:"token_set"` // users can sign in with a token
	Public   string    `json:"jumpserver,omitempty"`

	Health  Health          `json:"health"`
	Queue   Queue           `json:"queue"`
	Reasons []Reason        `json:"reasons"` // most frequent first
	Recent  []task.View     `json:"recent"`  // recently ended and not skipped, newest first
	Rate    Rate            `json:"rate"`
	Savings Savings         `json:"savings"`
	CPU     throttle.Status `json:"cpu"`
	// Steering is what an operator has set at run time; null = not available.
	Steering *steering.Status `json:"steering"`
	Core     Core             `json:"core"`
	Volume   *Volume          `json:"volume"` // null = none
	Storage  Storage          `json:"storage"`
	Uploads  Uploads          `json:"uploads"`
	Disks    []Disk           `json:"disks"`
}

// Health is the state of the agent as a whole, and its problems.
type Health struct {
	Level    health.Level `json:"level"`
	Troubles []Trouble    `json:"troubles"` // worst first
}

// Trouble is a part that is not healthy.
type Trouble struct {
	Part  health.Part  `json:"part"`
	Level health.Level `json:"level"`
	Say   i18n.Text    `json:"say"`
}

// Queue is the state of the queue.
type Queue struct {
	Error   string              `json:"error,omitempty"` // why the queue does not respond
	Counts  map[queue.State]int `json:"counts"`
	Open    int                 `json:"open"`       // tasks that have not ended, without Active
	Active  int                 `json:"active"`     // tasks whose session has not ended
	Bytes   int64               `json:"bytes"`      // of the recordings of open tasks
	Working []task.View         `json:"working"`    // in progress, oldest first
	Waiting []task.View         `json:"waiting"`    // the first few of the others
	Oldest  *time.Time          `json:"oldest"`     // when the oldest open task was found
	Done    float64             `json:"bytes_done"` // share of Bytes that is done
}

// Savings is the saved space.
type Savings struct {
	savings.Sum
	Since string        `json:"since"` // YYYY-MM-DD
	Keep  i18n.Text     `json:"keep"`
	Days  []savings.Day `json:"days"`
}

// Core is the state of the connection to core.
type Core struct {
	URL        string     `json:"url"`
	Name       string     `json:"name"`
	Registered bool       `json:"registered"`
	Online     bool       `json:"online"`
	LastBeat   *time.Time `json:"last_beat"`
	Error      string     `json:"error,omitempty"`
	Since      *time.Time `json:"error_since"`
}

// Volume is the state of the replay volume.
type Volume struct {
	Available bool           `json:"available"`
	Reason    string         `json:"reason,omitempty"`
	Denied    string         `json:"denied,omitempty"` // why its originals cannot be retired
	Fix       i18n.Text      `json:"fix,omitzero"`     // how to fix Denied
	Since     *time.Time     `json:"since"`
	Mode      string         `json:"mode"`
	LastPoll  *time.Time     `json:"last_poll"`
	LastSweep *time.Time     `json:"last_sweep"`
	Files     map[string]int `json:"files"`
}

// Storage is where MP4s are stored.
type Storage struct {
	Place     string     `json:"place"`           // the bucket; "" = core's own storage
	Error     string     `json:"error,omitempty"` // why MP4s cannot be stored there
	LastPoll  *time.Time `json:"last_poll"`       // of the recent days of a bucket
	LastSweep *time.Time `json:"last_sweep"`      // of all days of a bucket
	Waiting   int        `json:"waiting"`         // recordings in it that will be queued later
}

// Uploads is whether Lion and Razor may upload recordings.
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
	status.MayAct = s.Access.TokenSet() // the guard has checked it
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(status); err != nil {
		s.Log.Debug("the client did not read the response", "error", err)
	}
}

// status returns the cached status. It computes a new one at most once per second, and
// only so often that this takes at most a tenth of one CPU.
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
	status := Status{Now: now, Version: s.Version, TokenSet: s.Access.TokenSet(), Public: s.Public, CPU: s.CPU(), Core: s.core(), Volume: s.volume(), Storage: s.Storage()}
	if s.Steering != nil {
		now := s.Steering()
		status.Steering = &now
	}
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

// explain adds to each part what is wrong with it.
func (s *Status) explain(c health.Conditions) {
	s.Health = Health{Level: c.Level(), Troubles: []Trouble{}}
	for _, level := range []health.Level{health.Failing, health.Degraded} {
		for _, condition := range c {
			if condition.Level() == level {
				s.Health.Troubles = append(s.Health.Troubles, Trouble{condition.Part, level, condition.Say})
			}
		}
	}
	s.Core.Error = c.Of(health.Core).Detail
	s.Queue.Error = c.Of(health.Queue).Reason
	if s.Volume != nil {
		s.Volume.Reason = c.Of(health.Volume).Reason
		if rights := c.Of(health.Rights); !rights.OK {
			s.Volume.Denied, s.Volume.Fix = rights.Reason, rights.Remedy()
		}
	}
	s.Storage.Error = c.Of(health.Storage).Reason
	s.Uploads.Error = c.Of(health.Uploads).Reason
}

// fill counts the tasks, which must be sorted by last change, newest first.
func (s *Server) fill(status *Status, tasks []*queue.Task) {
	q := &status.Queue
	q.Counts = map[queue.State]int{}
	reasons := map[queue.Class]*Reason{}
	hour := window{from: status.Now.Add(-time.Hour), to: status.Now}
	var since delays
	var waiting []*queue.Task
	for _, t := range tasks {
		q.Counts[t.State]++
		switch {
		case t.State.Final():
			if len(status.Recent) < recentShown && t.State != queue.StateSkipped {
				status.Recent = append(status.Recent, s.View(*t))
			}
			if t.State == queue.StateDone {
				since.add(*t)
			}
			if t.State == queue.StateDone && t.Updated.After(hour.from) {
				hour.add(s.View(*t))
			}
		case t.Held():
			v := s.View(*t)
			q.Working = append(q.Working, v)
			q.open(t, v.Before, worked(v))
		case t.Reason == task.ClassSessionActive:
			q.Active++ // nothing to convert yet
		default:
			waiting = append(waiting, t)
			q.open(t, task.SourceOf(*t).Size, 0)
		}
		if t.Reason != "" {
			group(reasons, t)
		}
	}
	slices.SortFunc(q.Working, func(a, b task.View) int { return a.Created.Compare(b.Created) })
	slices.SortFunc(waiting, func(a, b *queue.Task) int { return queue.Before(*a, *b) })
	for _, t := range waiting[:min(waitingShown, len(waiting))] {
		q.Waiting = append(q.Waiting, s.View(*t))
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
	status.Rate.Delay = since.median()
}

// worked returns the share of a task's work that is done. Nearly all of the work is
// rendering and encoding.
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
func (q *Queue) open(t *queue.Task, size int64, progress float64) {
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
	if v.None {
		return nil
	}
	files := map[string]int{}
	for class, n := range v.Names {
		files[class.String()] = n
	}
	return &Volume{
		Available: v.Available, Since: Some(v.Since), Mode: string(v.Mode), LastPoll: Some(v.LastPoll),
		LastSweep: Some(v.LastSweep), Files: files,
	}
}

// Some returns a pointer to a time; nil for the zero time.
func Some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
