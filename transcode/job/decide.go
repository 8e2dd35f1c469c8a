package job

import (
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// incompleteLimit is how long after its last change a recording without an end fails as
// permanently incomplete.
const incompleteLimit = 24 * time.Hour

// activeWait is the shortest wait for a session that has not ended according to core: Lion
// may send the recording a moment before the end of the session.
const activeWait = 15 * time.Second

// maxSettleWait is the longest wait before a recording that is not ready is checked again.
const maxSettleWait = 15 * time.Minute

// facts are what an outcome depends on, besides the class and the verdict of the failure.
type facts struct {
	tries    int           // failures so far that the recording may have caused
	maxTries int           // with that many of them, the task fails
	spooled  bool          // the recording is an upload, and the spool has the only copy
	bucket   bool          // the recording is in a bucket
	taken    bool          // core has accepted an upload of the MP4
	age      time.Duration // since the recording's last change
	settle   time.Duration // the shortest wait for a recording that is not ready
}

// outcome is what happens to a task that is not done.
type outcome struct {
	verdict   task.Verdict
	state     queue.State
	wait      time.Duration // until the next attempt; 0 = [queue.Backoff] of the attempt, or no next attempt
	tries     int           // failures that the recording may have caused, including this one
	attempt   bool          // this attempt is counted
	keepWork  bool          // a later attempt can use the files in the work folder
	hold      bool          // other tasks may wait for the same reason
	asIs      bool          // core gets the recording itself, because the session has no replay otherwise
	report    bool          // core is told that the task has failed
	unwanted  bool          // the upload can be deleted: its session does not exist in core
	uploadEnd bool          // the upload ends without an MP4
}

// decide returns what happens to a task that failed with an error of a class and a
// verdict. It has no side effects.
func decide(class task.Class, verdict task.Verdict, f facts) outcome {
	o := outcome{tries: f.tries, attempt: true}
	if verdict == task.Retries {
		if o.tries++; o.tries >= f.maxTries {
			verdict = task.Fails
		}
	}
	if class == task.ClassIncomplete && verdict == task.Settles && (f.spooled || f.age > incompleteLimit) {
		verdict = task.Fails // an upload in the spool never becomes more complete
	}
	o.verdict = verdict
	switch verdict {
	case task.Waits:
		o.state, o.hold, o.keepWork = queue.StateRetrying, true, true
	case task.Retries:
		o.state, o.keepWork = queue.StateRetrying, true
	case task.Settles:
		o.state, o.wait, o.attempt = queue.StateSettling, settleWait(class, f), false
	case task.Fails:
		o.state, o.report = queue.StateFailed, true
	case task.Skips:
		o.state = queue.StateSkipped
		o.unwanted = f.spooled && class == task.ClassSession
	}
	if f.spooled && o.state.Final() {
		o.uploadEnd = true
		o.asIs = needsReplay(class) && !f.taken
		o.report = o.report || o.asIs // core is told that no MP4 can be made
	}
	return o
}

// needsReplay reports whether core gets the recording itself after an upload failed with a
// class: the session has no replay yet, and core can store one.
func needsReplay(class task.Class) bool {
	switch class {
	case task.ClassDiffers, task.ClassShadowed: // it has a replay; an operator must choose
		return false
	case task.ClassNullStorage: // core stores nothing
		return false
	case task.ClassSession, task.ClassGone: // the session or the upload does not exist
		return false
	}
	return true
}

// settleWait returns how long to wait before a recording that is not ready is checked
// again: at first the settle time, and more for older recordings.
func settleWait(class task.Class, f facts) time.Duration {
	if class == task.ClassIncomplete && f.bucket {
		// Objects do not grow, and a new part changes the source, which queues the task.
		return max(f.settle, min(incompleteLimit, incompleteLimit-f.age))
	}
	if class == task.ClassChanged && f.spooled {
		return f.settle // another recording has changed, not the upload
	}
	shortest := f.settle
	if class == task.ClassSessionActive {
		shortest = min(shortest, activeWait)
	}
	return max(shortest, min(f.age/10, maxSettleWait))
}
