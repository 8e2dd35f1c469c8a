package job

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// end releases the lease with the result of run. ctx is that of the agent, err the error of
// run.
func (j *job) end(ctx context.Context, err error) {
	switch {
	case j.leaseLost(err):
		j.log.Warn("another agent has taken this task over; stopping")
	case err == nil:
		doubt, what := j.doubt()
		j.release(func(t *queue.Task) { t.State, t.Reason, t.Error, t.Progress = queue.StateDone, doubt, what, 1 })
	case ctx.Err() != nil:
		j.log.Info("stopped with the agent; continues after its next start")
		j.release(func(t *queue.Task) { t.State, t.Next = queue.StateQueued, time.Time{} })
	default:
		j.fail(ctx, err)
	}
}

// doubt returns the class and the text for a task that is done although something may be
// wrong with its MP4 or its original; "" if nothing is.
func (j *job) doubt() (class task.Class, what string) {
	switch v := j.journal.Video; {
	case v != nil && len(v.Missing) > 0:
		return task.ClassNotAllShown, strings.Join(v.Missing, "; ")
	case j.journal.Doubt != "":
		return task.ClassUnproven, j.journal.Doubt
	case j.journal.Lost:
		return task.ClassGone, "someone removed the recording before the agent could retire it; its MP4 is in place and stays"
	case j.journal.Short != "":
		return task.ClassMuchShorter, j.journal.Short
	}
	return "", ""
}

// fail ends a task that is not done. It decides on the outcome and carries it out. If
// uploading the recording itself or reporting to core fails, it decides again.
func (j *job) fail(ctx context.Context, err error) {
	var changed *task.ChangedError
	if errors.As(err, &changed) {
		j.source = changed.Now
	}
	class, verdict := classify(err)
	f := j.facts()
	o := decide(class, verdict, f)
	f.tries = o.tries
	if o.hold {
		j.host.Waits(class, err)
	}
	if o.unwanted {
		j.host.UploadDone(j.source.Spool, task.UploadUnknown, false)
	}
	if o.asIs {
		if failed := j.fallback(ctx, string(class)+": "+oneLine(err)); failed != nil {
			j.log.Error("the recording cannot be converted", "reason", class, "error", err)
			err = failed
			switch class, verdict = classify(err); {
			case class == task.ClassDiffers: // the session has a replay
				o = decide(class, verdict, f)
			case verdict != task.Waits: // core or the storage refuses; it may accept later
				class = task.ClassCore
				o = decide(class, task.Waits, f)
			default:
				o = decide(class, task.Waits, f)
			}
		}
	}
	if o.report {
		if failed := j.reportFailure(ctx, class, err); failed != nil {
			class, err = task.ClassCore, failed
			o = decide(class, task.Waits, f)
		} else {
			j.journal.Reached = j.journal.Reached.Fail()
		}
	}
	j.journal.Tries = o.tries
	j.releaseAs(o, class, err)
}

// facts returns what decide needs about the job.
func (j *job) facts() facts {
	return facts{
		tries: j.journal.Tries, maxTries: j.cfg.MaxTries, spooled: j.source.Spooled(), bucket: j.source.Bucket != nil,
		taken: j.journal.Uploaded != "",
		age:   time.Since(j.source.ModTime), settle: j.cfg.Settle,
	}
}

// releaseAs logs an outcome and releases the lease with it.
func (j *job) releaseAs(o outcome, class task.Class, err error) {
	attempt := j.lease.Task().Attempt
	if o.attempt {
		attempt++
	}
	var next time.Time
	switch {
	case o.wait > 0:
		next = time.Now().Add(o.wait)
	case !o.state.Final():
		next = time.Now().Add(queue.Backoff(attempt))
	}
	switch o.verdict {
	case task.Skips:
		j.log.Info("skipped; the recording stays", "reason", class, "detail", err)
	case task.Fails:
		j.log.Error("failed; the original stays", "reason", class, "error", err, "attempt", attempt)
	case task.Settles:
		j.log.Info("not ready yet; checking again later", "reason", class, "detail", err, "next", next.Format(time.TimeOnly))
	case task.Waits, task.Retries:
		j.log.Warn("not done; retrying later", "reason", class, "error", err, "attempt", attempt, "next", next.Format(time.TimeOnly))
	}
	if !o.keepWork {
		os.RemoveAll(j.work())
	}
	if o.uploadEnd {
		stays := class
		if o.unwanted || j.journal.Reached.AsIs() {
			stays = ""
		}
		j.host.UploadEnded(j.source.Spool, stays)
	}
	j.release(func(t *queue.Task) {
		t.State, t.Next, t.Attempt, t.Reason, t.Error = o.state, next, attempt, class, oneLine(err)
		t.Source = task.Encode(j.source)
		t.Fingerprint = j.source.Fingerprint()
	})
}

// release applies a change to the task and releases the lease. If that fails, the task is
// taken over when the lease expires.
func (j *job) release(change func(*queue.Task)) {
	j.leave()
	err := j.lease.Release(func(t *queue.Task) {
		change(t)
		t.Data = task.Encode(j.journal)
	})
	if err != nil {
		j.log.Error("cannot release the task; it continues when its lease expires", "error", err)
		return
	}
	j.writeView()
	if j.cfg.Observer != nil {
		j.cfg.Observer.Ended(task.ViewOf(j.lease.Task()))
	}
}

// oneLine returns the text of an error with each run of white space as one space.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
