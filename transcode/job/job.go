// Package job is one lease of one task: it takes a recording through its steps
// until the session's MP4 is what core serves and the original is out of the
// way, and gives the lease back with what became of the task.
//
// Each step is a method, in a file with those that serve it. What a step has
// done for good is in the [task.Journal], which is written before its effects
// are relied upon. What happens at the end of a job is decided by one pure
// function, decide.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/lmittmann/tint"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Config is what the jobs of a pool have in common. They do not change it.
type Config struct {
	Core         *coreapi.Client
	ReplayDir    string // core's replay folder as mounted here; "" = none
	WorkDir      string // a folder of its own per task, for the MP4 in the making
	TasksDir     string // a folder per task that stays: log and task.json
	SpoolDir     string // of uploads
	Render       render.Options
	Originals    cleanup.Policy
	Settle       time.Duration // how long a recording that is not ready is left alone at least
	PlayCache    time.Duration // how long core hands out the address of a replay that somebody has begun to watch
	MaxTries     int           // failures that may be the recording's fault before the task fails
	MaxTakeovers int           // agents that may vanish in a row in one state before the task fails
	Governor     *throttle.Governor
	Observer     task.Observer // nil = none
	Log          *slog.Logger

	// Ledger, when not nil, notes replacements.
	Ledger Ledger
	// Storage returns the bucket to which MP4s go now, or nil for core's own
	// storage. A nil Storage stands for core's own.
	Storage func() (storage.Storage, error)
	// Boundary, when not nil, is called at every step boundary with its name.
	Boundary func(name string)
}

// Host is the pool that a job belongs to, as far as jobs need it.
type Host interface {
	// Session returns what core says of a session, or coreapi.ErrNotFound.
	Session(ctx context.Context, id string) (coreapi.Session, error)
	// CoreAnswered is told that core has answered a job's question.
	CoreAnswered()
	// Waits is told why a task waits: the others may share the reason.
	Waits(class task.Class, err error)
	// UploadDone is told that an upload, by its place in the spool, is done
	// with.
	UploadDone(path string, end task.UploadEnd)
	// UploadEnded is told of an upload that came to nothing.
	UploadEnded(path string)
}

// job is one lease of one task: its state, log and folders.
type job struct {
	cfg     Config
	host    Host
	id      string
	lease   *queue.Lease
	source  task.Source
	bucket  storage.Storage         // to which MP4s go; nil = core's own storage
	dest    destination.Destination // the same; nil until located
	moved   bool                    // the MP4 is somewhere else, and the original has gone
	plan    *render.Plan            // of the recording; nil if this job has not read it
	journal task.Journal
	started time.Time     // of the session, once core has been asked
	lasted  time.Duration // of the session, likewise; 0 = not known
	marked  bool          // core said that the session has a replay
	log     *slog.Logger
	logFile *os.File

	stage   queue.State // the state entered last; "" before the first
	entered time.Time
}

// Do works on a leased task until it has ended or waits, its lease is lost, or
// ctx has ended, and gives the lease back.
func Do(ctx context.Context, cfg Config, host Host, lease *queue.Lease) {
	j, err := newJob(cfg, host, lease)
	defer j.close()
	if err != nil {
		j.log.Error("task cannot start", "error", err)
		j.end(ctx, err)
		return
	}
	// The job stops when the agent does, and when the lease is lost.
	jobCtx, cancel := context.WithCancelCause(lease.Context())
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer stop()
	defer cancel(nil)
	j.end(ctx, j.run(jobCtx))
}

// newJob prepares folders and log. The job is usable for end even when an
// error is returned.
func newJob(cfg Config, host Host, lease *queue.Lease) (*job, error) {
	t := lease.Task()
	j := &job{cfg: cfg, host: host, id: t.ID, lease: lease, log: cfg.Log.With("session", t.ID)}
	if err := json.Unmarshal(t.Source, &j.source); err != nil {
		return j, task.FailAs(task.ClassInternal, task.Fails, "the task does not say where its recording is: %w", err)
	}
	j.journal = task.JournalOf(t.Data).For(t.Fingerprint)
	if err := j.mustOwn(); err != nil {
		return j, err
	}
	if err := os.MkdirAll(j.folder(), 0o750); err != nil {
		return j, fmt.Errorf("task folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(j.folder(), "task.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return j, fmt.Errorf("task log: %w", err)
	}
	j.logFile = f
	own := tint.NewTextHandler(f, &tint.Options{Level: slog.LevelDebug, TimeFormat: time.DateTime, NoColor: true})
	j.log = slog.New(slog.NewMultiHandler(own, j.log.Handler()))
	return j, nil
}

// mustOwn makes sure that the task is about its own session's files: whoever
// reaches the queue can write anything into a record.
func (j *job) mustOwn() error {
	foreign := func(name string) error {
		return task.FailAs(task.ClassInternal, task.Fails, "%w: %s", destination.ErrForeign, name)
	}
	if id, err := uuid.Parse(j.id); err != nil || id.String() != j.id {
		return foreign(j.id)
	}
	if _, err := time.Parse(time.DateOnly, j.journal.Date); j.journal.Date != "" && err != nil {
		return foreign(j.journal.Date)
	}
	names := []string{}
	switch {
	case j.source.Spooled():
		dir, base := path.Split(j.source.Spool)
		if uuid.Validate(path.Clean(dir)) != nil || !filepath.IsLocal(j.source.Spool) || recording.SessionOf(base) != "" && recording.SessionOf(base) != j.id {
			return foreign(j.source.Spool)
		}
	case j.source.Bucket != nil:
		names = append(names, j.source.Bucket.Key)
		for _, o := range j.source.Bucket.Objects {
			names = append(names, o.Key)
		}
	default:
		names = append(names, j.source.Path)
	}
	for _, f := range j.journal.Files {
		names = append(names, f.Path)
	}
	for _, name := range names {
		n := recording.ParseName(name)
		if n.Session != j.id || j.journal.Date != "" && n.Date != j.journal.Date {
			return foreign(name)
		}
	}
	return nil
}

func (j *job) close() {
	if j.logFile != nil {
		j.logFile.Close()
	}
}

func (j *job) folder() string { return filepath.Join(j.cfg.TasksDir, j.id) }
func (j *job) work() string   { return filepath.Join(j.cfg.WorkDir, j.id) }
func (j *job) mp4() string    { return filepath.Join(j.work(), "video.mp4") }

// fetched is the folder below which a recording from a bucket is downloaded.
func (j *job) fetched() string { return filepath.Join(j.work(), "original") }

// served is where core serves the MP4 from, relative to the replay folder.
func (j *job) served() string { return path.Join(j.journal.Date, j.id+".replay.mp4") }

// original is the recording's place on the volume, in the spool, or in the
// work folder where it is downloaded to.
func (j *job) original() string {
	root, rel := j.cfg.ReplayDir, j.source.Path
	switch {
	case j.source.Spooled():
		root, rel = j.cfg.SpoolDir, j.source.Spool
	case j.source.Bucket != nil:
		root, rel = j.fetched(), j.source.Bucket.Key
	}
	return filepath.Join(root, filepath.FromSlash(rel))
}

// delivery is what the destination needs to know of the job as it stands now.
func (j *job) delivery() destination.Delivery {
	d := destination.Delivery{
		Session: j.id, Date: j.journal.Date, File: j.mp4(), Work: j.work(), Fetched: j.fetched(),
		Source: j.source, Files: j.journal.Files, Address: j.journal.Uploaded,
		Fence: j.note, SameRecording: j.isTwin, Contained: j.contains, Aside: j.noteAside, Boundary: j.boundary, Log: j.log,
		Progress: func(sent, total int64) { j.lease.Progress(float64(sent) / float64(max(total, 1))) },
	}
	if j.journal.Video != nil {
		d.Video = *j.journal.Video
	}
	return d
}

// run takes the task through its steps from wherever it stands.
func (j *job) run(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			j.log.Error("a step crashed; please report this", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = task.Failf(task.ClassInternal, "a step crashed: %v", r)
		}
	}()
	for _, step := range []func(context.Context) error{
		j.locate, j.admit, j.giveUpIfCrashing, j.makeVideo, j.upload, j.confirm, j.retire, j.finish,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// giveUpIfCrashing fails a task during which agents die, before its recording
// is touched again.
func (j *job) giveUpIfCrashing(context.Context) error {
	if n := j.lease.Task().Takeovers; n >= j.cfg.MaxTakeovers {
		return task.Failf(task.ClassCrash, "the agent has died %d times in a row in this state: if it was the recording's doing, the service's log tells of a crash or of memory that ran out; else retry", n)
	}
	return nil
}

// enter moves the task to a state. It is also the fence: it fails when the
// lease is lost, and nothing that others can see is done without it.
func (j *job) enter(state queue.State) error {
	if err := j.save(func(t *queue.Task) { t.State, t.Progress = state, 0 }); err != nil {
		return err
	}
	j.leave()
	j.stage, j.entered = state, time.Now()
	j.boundary(string(state))
	return nil
}

// leave tells how long the task was in the state that it leaves.
func (j *job) leave() {
	if j.cfg.Observer != nil && j.stage != "" {
		j.cfg.Observer.Stage(j.stage, time.Since(j.entered))
	}
	j.stage = ""
}

// note makes the journal durable. It fails when the lease is lost.
func (j *job) note() error { return j.save(func(*queue.Task) {}) }

func (j *job) save(change func(*queue.Task)) error {
	err := j.lease.Update(func(t *queue.Task) {
		change(t)
		t.Data = task.Encode(j.journal)
	})
	if err != nil {
		return fmt.Errorf("save the task: %w", err)
	}
	j.writeView()
	return nil
}

// writeView leaves task.json beside the log, for people and scripts. It is
// a copy: nothing depends on it.
func (j *job) writeView() {
	data, err := json.MarshalIndent(task.ViewOf(j.lease.Task()), "", "  ")
	if err == nil {
		name := filepath.Join(j.folder(), "task.json")
		err = os.WriteFile(name+".tmp", append(data, '\n'), 0o640)
		if err == nil {
			err = os.Rename(name+".tmp", name)
		}
	}
	if err != nil {
		j.log.Debug("task.json", "error", err)
	}
}

func (j *job) boundary(name string) {
	if j.cfg.Boundary != nil {
		j.cfg.Boundary(name)
	}
}

// leaseLost reports whether another agent may have the task now. err is what a
// step has ended with.
func (j *job) leaseLost(err error) bool {
	return errors.Is(err, queue.ErrLeaseLost) || errors.Is(context.Cause(j.lease.Context()), queue.ErrLeaseLost)
}

func megabytes(n int64) float64 { return float64(n/10_000) / 100 }
