// Package coreapi is the client of JumpServer's core that a component needs:
// it registers the agent as a video_worker, keeps it online, learns where
// replays are stored, reads sessions, uploads videos and tells core about them.
//
// # Talking to core
//
// A [Client] signs every request with the component's access [Key] (HTTP
// signatures, HMAC-SHA256 over the request line and the Date) and asks for the
// ROOT organization, without which sessions of other organizations are hidden.
// Calls that may be repeated are repeated through hashicorp/go-retryablehttp
// when the network or core fails, with growing, jittered waits; a Retry-After
// of core is honoured. There is no limit on how long a call may take, only on
// how long it may stand still: a video of any size gets through a slow line.
//
// # Errors
//
// What core refuses comes back as an [*Error]. Test it with errors.Is against
// [ErrNotFound], [ErrUnauthorized] and the other sentinels; their texts tell an
// administrator what to do. [ErrUnavailable] means "later", all others mean
// that the same call would be refused again.
//
// [Client.Lifecycle] differs: each event becomes a row in a session's activity
// log, so it is never sent twice. When its answer is lost it returns
// [ErrAmbiguous], and the event must be counted as sent.
//
// # Living as a component
//
// A [Component] does everything that core expects of a running component. Its
// [Registrar] finds the access key in a [KeyFile] or registers with the
// bootstrap token, and never gives up: core may be down, or closed to new
// components until an administrator opens it. Then the component sends
// heartbeats, keeps the [TerminalConfig] fresh, and registers again when core
// stops accepting the key. [Component.State] tells how it stands.
package coreapi
