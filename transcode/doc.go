// Package transcode works on recordings: a [Pool] takes them in as tasks,
// leases tasks from the queue as load and breakers admit, and hands each to a
// job, which takes it through its steps until the session's MP4 is what core
// serves and the original is out of the way.
//
// Four packages share the work, and imports run one way:
//
//	transcode              the pool: takes in, leases, admits, hands over
//	transcode/job          one lease of one task: the steps, and how it ends
//	transcode/destination  where MP4s go, as a library
//	transcode/task         the vocabulary: sources, journals, views, reasons
//
// # Steps
//
// A task passes through these states, which users see under these names:
//
//	queued → rendering → verifying → uploading → confirming → retiring → done
//
// or ends in failed(reason) or skipped(reason), or waits in settling (the
// session is not over) or retrying (something it needs is away). Before
// rendering, the pool asks core about the session and reads the recording
// once; if a verified MP4 of that very recording is already in place, the
// task goes straight to confirming.
//
// Where the MP4 goes is core's choice: its own storage or a bucket, each of
// them a [destination.Destination] with what uploading, confirming and
// retiring mean there.
//
// # Crashes
//
// Every step is idempotent and the task's [task.Journal] is written durably
// before a step's effects are relied upon, so that a process killed anywhere is
// followed by one that repeats the step without harm. The two things that
// must not be repeated are guarded: a lifecycle event is marked before it is
// sent and never sent again (at most once, and exactly once unless the
// process dies inside that very request), and an original is moved only after
// the MP4 has been read back from where core serves it.
//
// # Errors
//
// Each failure has a [task.Class] that says what is wrong in one word, and a
// verdict: wait for the environment (core, the volume, disk space), try again
// a few times, give up, or leave the recording alone for good. The table
// [task.Reasons] has both, with words for people.
package transcode
