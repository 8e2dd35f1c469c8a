package transcode

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
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// job is one lease of one task: its state, log and folders.
type job struct {
	*Pool
	id      string
	lease   *queue.Lease
	source  task.Source
	dest    place // where the MP4 goes; set by locate
	moved   bool  // the MP4 is somewhere else, and the original has gone
	journal task.Journal
	started time.Time // of the session, once core has been asked
	log     *slog.Logger
	logFile *os.File

	stage   queue.State // the state entered last; "" before the first
	entered time.Time
}

// newJob prepares folders and log. The job is usable for end even when an
// error is returned.
func (p *Pool) newJob(lease *queue.Lease) (*job, error) {
	t := lease.Task()
	j := &job{Pool: p, id: t.ID, lease: lease, log: p.Log.With("session", t.ID)}
	if err := json.Unmarshal(t.Source, &j.source); err != nil {
		return j, task.FailAs(task.ClassInternal, task.Fails, "the task does not say where its recording is: %w", err)
	}
	j.journal = task.JournalOf(t.Data).For(t.Fingerprint)
	if err := os.MkdirAll(j.folder(), 0o750); err != nil {
		return j, fmt.Errorf("task folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(j.folder(), "task.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return j, fmt.Errorf("task log: %w", err)
	}
	j.logFile = f
	own := tint.NewTextHandler(f, &tint.Options{Level: slog.LevelDebug, TimeFormat: time.DateTime, NoColor: true})
	j.log = slog.New(slog.NewMultiHandler(own, p.Log.With("session", t.ID).Handler()))
	return j, nil
}

func (j *job) folder() string { return filepath.Join(j.TasksDir, j.id) }
func (j *job) work() string   { return filepath.Join(j.WorkDir, j.id) }
func (j *job) mp4() string    { return filepath.Join(j.work(), "video.mp4") }

// final is where core serves the MP4 from, relative to the replay folder.
func (j *job) final() string { return path.Join(j.journal.Date, j.id+".replay.mp4") }

// original is the recording's place on the volume, in the spool, or in the
// work folder where it is downloaded to.
func (j *job) original() string {
	switch {
	case j.spooled():
		return abs(j.SpoolDir, j.source.Spool)
	case j.source.Bucket != nil:
		return abs(j.fetched(), j.source.Bucket.Key)
	default:
		return abs(j.ReplayDir, j.source.Path)
	}
}

func (j *job) close() {
	if j.logFile != nil {
		j.logFile.Close()
	}
}

// MaxTakeovers is how often in a row an agent may die in one state of a task
// before the task is held to be why. Tests lower it.
var MaxTakeovers = 8

// run takes the task through its steps from wherever it stands.
func (j *job) run(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			j.log.Error("a step crashed; please report this", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = task.Failf(task.ClassInternal, "a step crashed: %v", r)
		}
	}()
	for _, step := range []func(context.Context) error{j.locate, j.admit, j.survive, j.makeVideo, j.upload, j.confirm, j.retire, j.finish} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// survive gives a recording up that agents die of, before it is touched.
func (j *job) survive(context.Context) error {
	if n := j.lease.Task().Takeovers; n >= MaxTakeovers {
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
	if j.Observer != nil && j.stage != "" {
		j.Observer.Stage(j.stage, time.Since(j.entered))
	}
	j.stage = ""
}

// note makes the journal durable.
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
	if err != nil {
		j.log.Debug("task.json", "error", err)
		return
	}
	name := filepath.Join(j.folder(), "task.json")
	if err := os.WriteFile(name+".tmp", append(data, '\n'), 0o640); err == nil {
		err = os.Rename(name+".tmp", name)
		if err != nil {
			j.log.Debug("task.json", "error", err)
		}
	}
}

// end gives the lease back with what became of the task.
func (j *job) end(ctx context.Context, err error) {
	switch {
	case errors.Is(err, queue.ErrLeaseLost) || errors.Is(context.Cause(j.lease.Context()), queue.ErrLeaseLost):
		j.log.Warn("another agent has taken this task over; stopping")
		return
	case err == nil:
		j.release(func(t *queue.Task) { t.State, t.Reason, t.Error, t.Progress = queue.StateDone, "", "", 1 })
		return
	case ctx.Err() != nil:
		j.log.Info("stopped with the agent; goes on when it is back")
		j.release(func(t *queue.Task) { t.State, t.Next = queue.StateQueued, time.Time{} })
		return
	}

	class, verdict := classify(err)
	if verdict == task.Retries {
		if j.journal.Tries++; j.journal.Tries >= j.MaxTries {
			verdict = task.Fails
		}
	}
	if verdict == task.Waits {
		j.holdFor(class, err)
	}
	if verdict == task.Settles && class == task.ClassIncomplete && (j.spooled() || time.Since(j.source.ModTime) > incompleteLimit) {
		verdict = task.Fails // of an upload, all that there is has come
	}
	if class == task.ClassSession && verdict == task.Skips && j.spooled() {
		j.uploadDone(j.source.Spool, false) // nobody can look for it any more
	}
	if j.owed(class, verdict) {
		if fallbackErr := j.fallback(ctx, string(class)+": "+oneLine(err)); fallbackErr != nil {
			j.log.Error("the recording cannot be converted", "reason", class, "error", err)
			class, verdict = classify(fallbackErr)
			if verdict != task.Waits { // core or the storage refuses: some day it may not
				class, verdict = task.ClassCore, task.Waits
			}
			err = fallbackErr
		}
	}
	if verdict == task.Fails {
		if reportErr := j.reportFailure(ctx, class, err); reportErr != nil {
			class, verdict, err = task.ClassCore, task.Waits, reportErr
		} else {
			j.journal.Ended = true
		}
	}
	attempt := j.lease.Task().Attempt + 1
	var state queue.State
	var next time.Time
	switch verdict {
	case task.Skips:
		state = queue.StateSkipped
		j.log.Info("left alone", "reason", class, "detail", err)
	case task.Fails:
		state = queue.StateFailed
		j.log.Error("failed; the original stays", "reason", class, "error", err, "attempt", attempt)
	case task.Settles:
		state, next = queue.StateSettling, time.Now().Add(j.rest(class))
		attempt--
		j.log.Info("not yet", "reason", class, "detail", err, "next", next.Format(time.TimeOnly))
	case task.Waits, task.Retries:
		state, next = queue.StateRetrying, time.Now().Add(queue.Backoff(attempt))
		j.log.Warn("trying again later", "reason", class, "error", err, "attempt", attempt, "next", next.Format(time.TimeOnly))
	}
	if state != queue.StateRetrying { // what a later attempt can use stays
		os.RemoveAll(j.work())
	}
	if verdict == task.Skips || verdict == task.Fails {
		j.uploadEnded(j.source.Spool)
	}
	j.release(func(t *queue.Task) {
		t.State, t.Next, t.Attempt, t.Reason, t.Error = state, next, attempt, class, oneLine(err)
		t.Source = task.Encode(j.source)
		t.Fingerprint = j.source.Fingerprint()
	})
}

// rest is how long a recording that is not ready is left alone: the settle
// time at first, ever longer the older the recording is.
func (j *job) rest(class queue.Class) time.Duration {
	if class == task.ClassIncomplete && j.source.Bucket != nil {
		// Objects do not grow. Another part would make it another source.
		return max(j.Settle, min(incompleteLimit, incompleteLimit-time.Since(j.source.ModTime)))
	}
	return max(j.Settle, min(time.Since(j.source.ModTime)/10, maxIdle))
}

func (j *job) release(change func(*queue.Task)) {
	j.leave()
	err := j.lease.Release(func(t *queue.Task) {
		change(t)
		t.Data = task.Encode(j.journal)
	})
	if err != nil {
		j.log.Error("the task could not be put back; it is taken up again when its lease runs out", "error", err)
		return
	}
	j.writeView()
	if j.Observer != nil {
		j.Observer.Ended(task.ViewOf(j.lease.Task()))
	}
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
