// Package destination is where MP4s go: core's own storage ([Core]) or a
// bucket ([Bucket]), as core's settings say.
//
// A destination is a library. It is handed a [Delivery] by value, does what
// one step of a task needs, and returns facts; it knows neither the task nor
// its journal. All its methods may be repeated, also by another process after
// a crash. Nothing that others can see is changed without asking the
// delivery's Fence first: it fails once the lease of the task is lost.
package destination

import "errors"

// What makes it impossible to say where MP4s go.
var (
	ErrNullStorage    = errors.New("core's replay storage for this component is null, which keeps nothing: choose another one for it in JumpServer")
	ErrStorageUnknown = errors.New("core has not said yet where replays go")
)
