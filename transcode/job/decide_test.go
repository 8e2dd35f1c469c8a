package job

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

func TestDecide(t *testing.T) {
	const settle = 10 * time.Second
	var (
		waiting   = outcome{verdict: task.Waits, state: queue.StateRetrying, attempt: true, keepWork: true, hold: true}
		again     = outcome{verdict: task.Retries, state: queue.StateRetrying, attempt: true, keepWork: true, tries: 1}
		failed    = outcome{verdict: task.Fails, state: queue.StateFailed, attempt: true, report: true}
		skipped   = outcome{verdict: task.Skips, state: queue.StateSkipped, attempt: true}
		settling  = outcome{verdict: task.Settles, state: queue.StateSettling}
		on        = facts{maxTries: 5, settle: settle, age: time.Minute}
		uploaded  = facts{maxTries: 5, settle: settle, age: time.Minute, spooled: true}
		inBucket  = facts{maxTries: 5, settle: settle, age: time.Hour, bucket: true}
		with      = func(o outcome, change func(*outcome)) outcome { change(&o); return o }
		tries     = func(f facts, n int) facts { f.tries = n; return f }
		old       = func(f facts, age time.Duration) facts { f.age = age; return f }
		waits     = func(d time.Duration) outcome { return with(settling, func(o *outcome) { o.wait = d }) }
		asIs      = func(o *outcome) { o.asIs, o.uploadEnd, o.report = true, true, true }
		uploadEnd = func(o *outcome) { o.uploadEnd = true }
	)
	for name, tc := range map[string]struct {
		class   task.Class
		verdict task.Verdict
		facts   facts
		want    outcome
	}{
		"core is unavailable":                {task.ClassCore, task.Waits, on, waiting},
		"core is unavailable after failures": {task.ClassCore, task.Waits, tries(on, 3), with(waiting, func(o *outcome) { o.tries = 3 })},
		"an upload, core is unavailable":     {task.ClassCore, task.Waits, uploaded, waiting},
		"the volume is unavailable":          {task.ClassVolume, task.Waits, on, waiting},
		"failed verification":                {task.ClassVerify, task.Retries, on, again},
		"the last but one failure":           {task.ClassVerify, task.Retries, tries(on, 3), with(again, func(o *outcome) { o.tries = 4 })},
		"the last failure":                   {task.ClassVerify, task.Retries, tries(on, 4), with(failed, func(o *outcome) { o.tries = 5 })},
		"of an upload, too":                  {task.ClassVerify, task.Retries, tries(uploaded, 4), with(with(failed, asIs), func(o *outcome) { o.tries = 5 })},
		"damaged":                            {task.ClassUndecodable, task.Fails, on, failed},
		"a damaged upload":                   {task.ClassUndecodable, task.Fails, uploaded, with(failed, asIs)},
		"nothing was drawn, in an upload":    {task.ClassNothingDrawn, task.Fails, uploaded, with(failed, asIs)},
		"agents die of an upload":            {task.ClassCrash, task.Fails, uploaded, with(failed, asIs)},
		"differs":                            {task.ClassDiffers, task.Fails, on, failed},
		"an upload that differs":             {task.ClassDiffers, task.Fails, uploaded, with(failed, uploadEnd)},
		"an upload behind another file":      {task.ClassShadowed, task.Fails, uploaded, with(failed, uploadEnd)},
		"watched all the time":               {task.ClassShadowed, task.Retries, on, again},
		"not graphical":                      {task.ClassNotGraphical, task.Skips, on, skipped},
		"an upload that is not graphical":    {task.ClassNotGraphical, task.Skips, uploaded, with(skipped, asIs)},
		"unknown session":                    {task.ClassSession, task.Skips, on, skipped},
		"an upload of an unknown session":    {task.ClassSession, task.Skips, uploaded, with(skipped, func(o *outcome) { o.unwanted, o.uploadEnd = true, true })},
		"an upload that is too small":        {task.ClassTooSmall, task.Skips, uploaded, with(skipped, asIs)},
		"too small":                          {task.ClassTooSmall, task.Skips, on, skipped},
		"an upload that does not exist":      {task.ClassGone, task.Skips, uploaded, with(skipped, uploadEnd)},
		"an upload for a null storage":       {task.ClassNullStorage, task.Skips, uploaded, with(skipped, uploadEnd)},
		"a null storage":                     {task.ClassNullStorage, task.Skips, on, skipped},
		"the session has not ended":          {task.ClassSessionActive, task.Settles, on, waits(settle)},
		"the same of an hour ago":            {task.ClassSessionActive, task.Settles, old(on, time.Hour), waits(6 * time.Minute)},
		"the same of a day ago":              {task.ClassSessionActive, task.Settles, old(on, 24*time.Hour), waits(maxSettleWait)},
		"the same of an upload":              {task.ClassSessionActive, task.Settles, uploaded, waits(settle)},
		"changed":                            {task.ClassChanged, task.Settles, tries(on, 2), with(waits(settle), func(o *outcome) { o.tries = 2 })},
		"another one changed, old upload":    {task.ClassChanged, task.Settles, old(uploaded, time.Hour), waits(settle)},
		"no end yet":                         {task.ClassIncomplete, task.Settles, on, waits(settle)},
		"no end after a day":                 {task.ClassIncomplete, task.Settles, old(on, incompleteLimit+time.Second), failed},
		"an upload without an end":           {task.ClassIncomplete, task.Settles, uploaded, with(failed, asIs)},
		"no end in a bucket":                 {task.ClassIncomplete, task.Settles, inBucket, waits(23 * time.Hour)},
		"no end in a bucket, from tomorrow":  {task.ClassIncomplete, task.Settles, old(inBucket, -time.Hour), waits(incompleteLimit)},
		"active session, in a bucket":        {task.ClassSessionActive, task.Settles, inBucket, waits(6 * time.Minute)},
	} {
		got := decide(tc.class, tc.verdict, tc.facts)
		if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(outcome{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestEveryReasonHasAnOutcome: for every class, a task gets a state in which it is either
// retried or explained.
func TestEveryReasonHasAnOutcome(t *testing.T) {
	for _, r := range task.Reasons {
		for _, spooled := range []bool{false, true} {
			o := decide(r.Class, r.Verdict, facts{maxTries: 5, settle: time.Second, spooled: spooled})
			if o.state == "" || o.state == queue.StateDone || o.state.Final() == o.keepWork && o.verdict != task.Settles {
				t.Errorf("%s, spooled %v: %+v", r.Class, spooled, o)
			}
		}
	}
}
