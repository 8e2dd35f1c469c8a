// Package task is the vocabulary of conversions: where a recording lies
// ([Source]), what was done about it so far ([Journal]), how it looks to
// people and scripts ([View]), and why it could not be done ([Class], with
// the [Reason] that explains it).
//
// Page, metrics, task API and command line read it, and it knows nothing of
// how the work is done.
package task
