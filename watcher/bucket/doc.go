// Package bucket finds recordings in a replay storage: those that Lion and Razor
// uploaded themselves because no worker responded, and all that existed before this
// agent.
//
// # Cost
//
// Providers charge for every listing. The recent days are listed at every interval,
// with one request each. From time to time a sweep lists all days, newest first.
// Requests are paced so that an hour never has more than [Watcher.MaxRequests]. A
// file stores the position of a sweep, so that a restart continues there instead of
// at the beginning. [Status] reports the cost of the last sweep.
//
// # What is found
//
// Objects appear complete, and Lion uploads the index of a recording in parts last.
// A recording is offered when all its names exist and it has not changed for the
// settle time, with all that the listing says about it. Finding it downloads
// nothing; [Fetch] does that when its task begins.
package bucket
