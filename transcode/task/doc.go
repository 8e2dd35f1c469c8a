// Package task has the types and texts that describe conversions: where a recording is
// ([Source]), which steps are done ([Journal]), what people and scripts see of a task
// ([View]), and the reasons of failures ([Class], [Reason]).
//
// Status page, metrics, task API and command line use it. It does not depend on how the
// work is done.
package task
