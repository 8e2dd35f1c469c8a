// Package destination is where MP4s go: core's own storage or a bucket, as
// core's settings say.
package destination

import "errors"

// What makes it impossible to say where MP4s go.
var (
	ErrNullStorage    = errors.New("core's replay storage for this component is null, which keeps nothing: choose another one for it in JumpServer")
	ErrStorageUnknown = errors.New("core has not said yet where replays go")
)
