// Package queue keeps tasks durably and hands each to one worker at a time.
// It stands on NATS JetStream and knows nothing of what tasks are about.
//
// # One record per task
//
// All there is of a task is one record in the JetStream key-value bucket
// "tasks": what it is about, its state, its journal, and its lease. There is no
// second structure to keep in step. Every change is a compare-and-set on the
// record's revision.
//
// # Leases
//
// Taking a task writes a random word into its record. The holder renews the
// record every third of the lease time. A record that says that it is held
// and has not changed for the lease time, as seen by the observer's own
// monotonic clock, may be taken by anyone: clocks of agents need not agree.
// From then on every change by the earlier holder fails with [ErrLeaseLost],
// so a process that was paused for too long cannot do harm.
//
// # Embedded or shared
//
// By default the queue runs inside the process, in a folder on a local disk,
// with every write synced. Nobody else can hold its tasks, so those that a
// killed process held are taken up at once. With a URL several agents share
// one NATS server or cluster. It need not be there when the queue is opened; on
// a cluster the tasks are on three servers.
//
// # Seals
//
// Whoever reaches the server of a shared queue can write records. With
// [Options.Seal] and [Options.Holds] all that a record says is sealed, and one
// whose seal does not hold is shown as failed and never worked on. A record
// that was sealed earlier may be put back in place of a later one: seals do not
// tell which is the last.
//
// # Losing it
//
// Losing the folder loses no recording: what needs doing can be found out
// again. A folder that cannot be used is moved aside and a new one begun.
package queue
