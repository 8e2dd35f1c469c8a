package job

import (
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// incompleteLimit is how long after its last change a recording whose end is
// missing is given up as cut for good.
const incompleteLimit = 24 * time.Hour

// maxRest bounds how rarely a recording that is not ready is looked at.
const maxRest = 15 * time.Minute

// facts are what an outcome depends on beside the failure itself.
type facts struct {
	tries    int           // failures so far that may be the recording's fault
	maxTries int           // how many of them fail the task
	spooled  bool          // the recording is an upload, of which the spool has the only copy
	bucket   bool          // the recording is in a bucket
	taken    bool          // core has taken an MP4 of it, wherever that is now
	age      time.Duration // since the recording's last change
	settle   time.Duration // the shortest rest of a recording that is not ready
}

// outcome is what becomes of a task that was not done.
type outcome struct {
	verdict   task.Verdict
	state     queue.State
	rest      time.Duration // until the next attempt; 0 = [queue.Backoff] of the attempt, or never
	tries     int           // failures that may be the recording's fault, with this one
	attempt   bool          // it counts as an attempt
	keepWork  bool          // a later attempt can use what is in the work folder
	hold      bool          // other tasks may wait for the same
	asIs      bool          // core gets the recording itself, which has no replay otherwise
	report    bool          // core is told that the task has failed
	unwanted  bool          // the upload can be dropped: nobody can look for it any more
	uploadEnd bool          // the upload came to nothing
}

// decide returns what becomes of a task that failed for a reason of this class
// with this verdict. It changes nothing.
func decide(class task.Class, verdict task.Verdict, f facts) outcome {
	o := outcome{tries: f.tries, attempt: true}
	if verdict == task.Retries {
		if o.tries++; o.tries >= f.maxTries {
			verdict = task.Fails
		}
	}
	if class == task.ClassIncomplete && verdict == task.Settles && (f.spooled || f.age > incompleteLimit) {
		verdict = task.Fails // of an upload, all that there is has come
	}
	o.verdict = verdict
	switch verdict {
	case task.Waits:
		o.state, o.hold, o.keepWork = queue.StateRetrying, true, true
	case task.Retries:
		o.state, o.keepWork = queue.StateRetrying, true
	case task.Settles:
		o.state, o.rest, o.attempt = queue.StateSettling, restOf(class, f), false
	case task.Fails:
		o.state, o.report = queue.StateFailed, true
	case task.Skips:
		o.state = queue.StateSkipped
		o.unwanted = f.spooled && class == task.ClassSession
	}
	if f.spooled && o.state.Final() {
		o.uploadEnd = true
		o.asIs = needsReplay(class) && !f.taken
	}
	return o
}

// needsReplay reports whether a session whose upload failed for a reason of
// this class has no replay yet, so that core gets the recording itself.
func needsReplay(class task.Class) bool {
	switch class {
	case task.ClassDiffers, task.ClassShadowed: // it has one; which is right a human must tell
		return false
	case task.ClassNullStorage: // nobody wants it
		return false
	case task.ClassSession, task.ClassGone: // there is nowhere to put it, or nothing to put there
		return false
	}
	return true
}

// restOf returns how long a recording that is not ready is left alone: the
// settle time at first, ever longer the older the recording is.
func restOf(class task.Class, f facts) time.Duration {
	if class == task.ClassIncomplete && f.bucket {
		// Objects do not grow. Another part would make it another source.
		return max(f.settle, min(incompleteLimit, incompleteLimit-f.age))
	}
	return max(f.settle, min(f.age/10, maxRest))
}
