// Package destination stores MP4s: in core's own storage ([Core]) or in a bucket
// ([Bucket]), depending on core's settings.
//
// A destination is a library. It gets a [Delivery] by value, executes one step of a
// task, and returns facts. It does not depend on the task or its journal. All its
// methods may be repeated, also by another process after a crash. Before each
// change that others can see, it calls the delivery's Fence, which fails once the
// lease of the task is lost.
package destination

import "errors"

// Errors that say why it is unknown where MP4s are stored.
var (
	ErrNullStorage    = errors.New("core's replay storage for this component is null, which stores nothing: choose another one for it in JumpServer")
	ErrStorageUnknown = errors.New("core has not said yet where replays go")
)
