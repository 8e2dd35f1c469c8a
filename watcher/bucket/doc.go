// Package bucket finds recordings in a replay storage: those that Lion and
// Razor uploaded there by themselves because no worker answered, and all that
// were there before this agent was.
//
// # Cost
//
// Providers charge for every listing. The recent days are listed at every
// interval, one request each; all days are swept now and then, the newest
// first. Requests are spread out so that an hour never has more than
// [Watcher.MaxRequests] of them. The place of a sweep is kept in a file: a
// restart goes on there, and does not begin anew. [Status] says what the last
// sweep cost.
//
// # What is found
//
// Objects appear whole, and Lion uploads the index of a recording in parts
// last: a recording whose names are all there and that has rested for the
// settle time is offered, with all that is known from the listing. Nothing is
// downloaded to find it; [Fetch] does that when its turn comes.
package bucket
