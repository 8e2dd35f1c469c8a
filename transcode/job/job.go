// Package job processes one lease of one task. It takes a recording through its steps
// until core serves the session's MP4 and the original is retired. Then it releases the
// lease with the result.
//
// Each step is a method, in a file with its helpers. What a step has permanently done is
// in the [task.Journal], which is stored before later steps rely on it. One pure function,
// decide, determines what happens to a task that is not done.
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
	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Config is the configuration that all jobs of a pool share. Jobs do not change it.
type Config struct {
	Core         *coreapi.Client
	ReplayDir    string         // core's replay folder as mounted here; "" = none
	Mount        *watcher.Mount // reports whether the replay folder is mounted
	WorkDir      string         // has a folder per task for temporary files and the MP4
	TasksDir     string         // has a folder per task for files that stay: log and task.json
	SpoolDir     string         // has the uploads
	Render       render.Options
	Originals    cleanup.Policy
	Settle       time.Duration // the shortest wait before a recording that is not ready is checked again
	PlayCache    time.Duration // how long the address of a replay is valid that core gives to a viewer
	MaxTries     int           // the task fails after that many failures that the recording may have caused
	MaxTakeovers int           // the task fails after that many takeovers in a row in one state
	KeepNames    bool          // store in the task's record what core reports of the session
	Governor     *throttle.Governor
	Observer     task.Observer // nil = none
	Log          *slog.Logger

	// Rights checks the permissions that retiring needs on the replay volume; nil = no
	// check.
	Rights *rights.Prober
	// Ledger records replacements; nil = no ledger.
	Ledger Ledger
	// Storage returns the bucket to which MP4s go now, or nil for core's own storage. A
	// nil Storage means core's own storage.
	Storage func() (storage.Storage, error)
	// Boundary is called with a name at every boundary between steps; may be nil.
	Boundary func(name string)
}

// Host is the pool that a job belongs to. Its methods are called from several goroutines.
type Host interface {
	// Session returns core's session of an id, or coreapi.ErrNotFound.
	Session(ctx context.Context, id string) (coreapi.Session, error)
	// CoreAnswered is called when core has responded to a job.
	CoreAnswered()
	// Waits is called with the reason for which a task waits, because other tasks may
	// share it.
	Waits(class task.Class, err error)
	// UploadDone is called with the path of an upload in the spool, when its task no
	// longer needs it. asIs means that core has the recording itself.
	UploadDone(path string, end task.UploadEnd, asIs bool)
	// UploadEnded is called with the path of an upload in the spool whose task has
	// failed or was skipped. stays is the reason why the upload stays in the spool; "" if
	// UploadDone was called before.
	UploadEnded(path string, stays task.Class)
}

// job is one lease of one task: its state, log and folders. It is used by one goroutine.
type job struct {
	cfg     Config
	host    Host
	id      string
	lease   *queue.Lease
	source  task.Source
	bucket  storage.Storage         // where MP4s go; nil = core's own storage
	dest    destination.Destination // where MP4s go; nil until locate was called
	moved   bool                    // the MP4 is in an earlier storage, and the original was retired
	plan    *render.Plan            // of the recording; nil if this job has not read it
	journal task.Journal
	started time.Time     // when the session began; zero until core was asked
	lasted  time.Duration // how long the session lasted; 0 = not known
	marked  bool          // core reports that the session has a replay
	log     *slog.Logger
	logFile *os.File

	stage   queue.State // the state that the job has entered last; "" before the first
	entered time.Time
}

// Do works on a leased task until the task has ended or waits, its lease is lost, or ctx
// ends. It releases the lease.
func Do(ctx context.Context, cfg Config, host Host, lease *queue.Lease) {
	j, err := newJob(cfg, host, lease)
	defer j.close()
	if err != nil {
		j.log.Error("the task cannot start", "error", err)
		j.end(ctx, err)
		return
	}
	// The job stops with the agent, and when the lease is lost.
	jobCtx, cancel := context.WithCancelCause(lease.Context())
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer stop()
	defer cancel(nil)
	j.end(ctx, j.run(jobCtx))
}

// newJob creates the task's folder and log. Also after an error, it returns a job for
// which end can be called.
func newJob(cfg Config, host Host, lease *queue.Lease) (*job, error) {
	t := lease.Task()
	j := &job{cfg: cfg, host: host, id: t.ID, lease: lease, log: cfg.Log.With("session", t.ID)}
	if err := json.Unmarshal(t.Source, &j.source); err != nil {
		return j, task.FailAs(task.ClassInternal, task.Fails, "the task's record does not say where the recording is: %w", err)
	}
	j.journal = task.JournalOf(t.Data).For(t.Fingerprint)
	if err := j.mustOwn(); err != nil {
		return j, err
	}
	if err := os.MkdirAll(j.folder(), 0o750); err != nil {
		return j, fmt.Errorf("create the task folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(j.folder(), "task.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return j, fmt.Errorf("open the task log: %w", err)
	}
	j.logFile = f
	own := tint.NewTextHandler(f, &tint.Options{Level: slog.LevelDebug, TimeFormat: time.DateTime, NoColor: true})
	j.log = slog.New(slog.NewMultiHandler(own, j.log.Handler()))
	return j, nil
}

// mustOwn returns an error unless all files in the task's record belong to its session: an
// attacker who reaches the queue can write any names into a record.
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

// fetched returns the folder to which a recording in a bucket is downloaded.
func (j *job) fetched() string { return filepath.Join(j.work(), "original") }

// served returns the name from which core serves the MP4, relative to the replay folder.
func (j *job) served() string { return path.Join(j.journal.Date, j.id+".replay.mp4") }

// original returns the path of the recording on the volume, in the spool, or in the folder
// to which it is downloaded.
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

// firstFile returns the path of the file that exists as long as the original does. On the
// volume, that is the first file that was read: the index of a source need not exist.
func (j *job) firstFile() string {
	if !j.source.OnVolume() {
		return j.original()
	}
	return filepath.Join(j.cfg.ReplayDir, filepath.FromSlash(j.delivery().Original()))
}

// delivery returns what the destination needs for its next step.
func (j *job) delivery() destination.Delivery {
	d := destination.Delivery{
		Session: j.id, Date: j.journal.Date, File: j.mp4(), Work: j.work(), Fetched: j.fetched(),
		Source: j.source, Files: j.journal.Files, Address: j.journal.Uploaded,
		Fence: j.note, SameRecording: j.isSame, Contained: j.contains, Aside: j.noteAside, Doubt: j.noteDoubt, Boundary: j.boundary, Log: j.log,
		Progress: func(sent, total int64) { j.lease.Progress(float64(sent) / float64(max(total, 1))) },
	}
	if j.journal.Video != nil {
		d.Video = *j.journal.Video
	}
	return d
}

// run takes the task through its steps. Steps that the journal has as done are skipped or
// repeated without harm.
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

// giveUpIfCrashing returns an error if too many agents have died during the task, so that
// its recording is not read again.
func (j *job) giveUpIfCrashing(context.Context) error {
	if n := j.lease.Task().Takeovers; n >= j.cfg.MaxTakeovers {
		return task.Failf(task.ClassCrash, "the agent has died %d times in a row in this state; check the service's log for a crash or a lack of memory, then retry", n)
	}
	return nil
}

// enter moves the task to a state. It returns an error if the lease is lost, and is called
// before every change that others can see.
func (j *job) enter(state queue.State) error {
	if err := j.save(func(t *queue.Task) { t.State, t.Progress = state, 0 }); err != nil {
		return err
	}
	j.leave()
	j.stage, j.entered = state, time.Now()
	j.boundary(string(state))
	return nil
}

// leave reports to the observer how long the task was in its state.
func (j *job) leave() {
	if j.cfg.Observer != nil && j.stage != "" {
		j.cfg.Observer.Stage(j.stage, time.Since(j.entered))
	}
	j.stage = ""
}

// note stores the journal durably. It returns an error if the lease is lost.
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

// writeView writes task.json beside the log, for people and scripts. Nothing depends on
// that file.
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

// leaseLost reports whether the lease is lost, so that another agent may have the task. err
// is the error of the last step.
func (j *job) leaseLost(err error) bool {
	return errors.Is(err, queue.ErrLeaseLost) || errors.Is(context.Cause(j.lease.Context()), queue.ErrLeaseLost)
}

// megabytes returns n bytes in units of 10⁶ bytes, with two decimal places.
func megabytes(n int64) float64 { return float64(n/10_000) / 100 }
