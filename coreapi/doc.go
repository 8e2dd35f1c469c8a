// Package coreapi is a client of JumpServer's core for a component. It registers
// the agent as a video_worker, keeps it online, reads where replays are stored,
// reads sessions, uploads videos and reports events of them to core.
//
// # Talking to core
//
// A [Client] signs every request with the component's access [Key] (HTTP
// signatures, HMAC-SHA256 over the request line and the Date). It selects the ROOT
// organization, without which sessions of other organizations are hidden.
//
// If the network or core fails, hashicorp/go-retryablehttp repeats those calls that
// may be repeated, after growing, jittered waits. It respects core's Retry-After.
// There is no limit on how long a call may take, only on how long it may make no
// progress: a video of any size can be sent over a slow line.
//
// # Errors
//
// If core refuses a call, the call returns an [*Error]. Test it with errors.Is
// against [ErrNotFound], [ErrUnauthorized] and the other sentinels; their texts
// tell an administrator what to do. [ErrUnavailable] means "later"; all others mean
// that the same call would be refused again.
//
// [Client.Lifecycle] differs: each event becomes a row in a session's activity log,
// so it is never sent twice. If the response is lost it returns [ErrAmbiguous], and
// the caller must treat the event as sent.
//
// # Running as a component
//
// A [Component] does everything that core expects of a running component. Its
// [Registrar] finds the access key in a [KeyFile] or registers with the bootstrap
// token, and never gives up: core may be down, or may accept no new components
// until an administrator allows it. Then the component sends heartbeats, keeps the
// [TerminalConfig] up to date, and registers again when core no longer accepts the
// key. [Component.State] returns its state.
package coreapi
