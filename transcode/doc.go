// Package transcode converts recordings. A [Pool] accepts recordings as tasks, leases tasks
// from the queue as load and circuit breakers allow, and passes each to a job. The job takes
// the task through its steps until core serves the session's MP4 and the original is
// retired.
//
// Four packages share the work, and imports run one way:
//
//	transcode              the pool: accepts, leases, admits, passes on
//	transcode/job          one lease of one task: the steps, and the result
//	transcode/destination  where MP4s go, as a library
//	transcode/task         shared types: sources, journals, views, reasons
//
// # Steps
//
// A task passes through these states, which users see under these names:
//
//	queued → rendering → verifying → uploading → confirming → retiring → done
//
// Or it ends as failed or skipped, with a reason. Or it waits: as settling, if the session
// or the recording is not ready, or as retrying, if something that it needs is unavailable.
// Before rendering, the job asks core about the session and reads the recording once. If a
// verified MP4 of the same recording is already in place, the task continues with
// confirming.
//
// Core decides where the MP4 goes: to core's own storage or to a bucket. For each of them
// there is a [destination.Destination] that uploads, confirms and retires.
//
// # Crashes
//
// Every step is idempotent. The task's [task.Journal] is stored durably before later steps
// rely on an effect. After a crash at any point, another process repeats the step without
// harm. Two things must not be repeated, and are protected:
//
//   - A lifecycle event is marked before it is sent, and never sent again. Core gets it at
//     most once, and exactly once unless the process dies during the request.
//   - An original is moved only after the MP4 was read back from where core serves it.
//
// # Errors
//
// Each failure has a [task.Class], one word that says what is wrong, and a verdict: wait for
// the environment (core, the volume, disk space), retry a few times, give up, or skip the
// recording. The table [task.Reasons] has both, with texts for people.
package transcode
