// Package queue stores tasks durably and gives each to one worker at a time. It is
// built on NATS JetStream and does not depend on what tasks are about.
//
// # One record per task
//
// A task is one record in the JetStream key-value bucket "tasks": its source, its
// state, its journal, and its lease. No other structure exists that could get out of
// step with it. Every change is a compare-and-set on the record's revision.
//
// # Leases
//
// Taking a task writes a random token into its record. The holder renews the record
// every third of the lease time. If a held record has not changed for the lease time,
// any agent may take the task. Each agent measures that time with its own monotonic
// clock, so that clocks of agents need not agree. From then on, every change by the
// earlier holder fails with [ErrLeaseLost], so that a process that was paused for too
// long cannot do harm.
//
// # Embedded or shared
//
// By default the queue runs inside the process, in a folder on a local disk, with every
// write synced. No other process can hold its tasks, so tasks that a killed process held
// are taken at once. With a URL, several agents share one NATS server or cluster. The
// server may be unreachable when the queue is opened. On a cluster, the tasks are stored
// on three servers.
//
// # Seals
//
// Anyone who reaches the server of a shared queue can write records. With
// [Options.Seal] and [Options.Holds], each record is sealed as a whole. One without a
// valid seal is shown as failed and never processed. A seal does not prevent restoring
// an older record of the same task: it does not say which record is the latest.
//
// # Losing it
//
// Losing the folder loses no recording: all tasks can be found again on the volume. A
// folder that cannot be used is moved aside, and a new one is created.
package queue
