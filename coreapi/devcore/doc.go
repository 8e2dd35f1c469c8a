// Package devcore is a faithful stand-in for JumpServer's core: what a component
// meets when it registers, beats, reads sessions, uploads replays and tells
// core about them, and what the web UI then serves. Tests run against it, and
// the demo uses it as its development core.
//
//	core, err := devcore.Start(devcore.Options{
//		Version: "4.10.13", MediaDir: dir, BootstrapToken: "secret",
//	})
//	defer core.Close()
//	core.AddSession(devcore.Session{ID: id, Protocol: "rdp", TerminalType: "lion", Start: start, Finished: true})
//	// … let a client of core at core.URL do its work …
//	replay, err := core.Served(ctx, id) // which file would the UI play, as what?
//	events := core.Events(id)           // which lifecycle events came, in order?
//
// It shares no code with the client of core, so that a misreading in one shows
// up against the other. Its knowledge comes from the published sources of
// JumpServer (core 3.3 to 4.10, and the components koko and lion), not from
// them by copy.
//
// # Versions
//
// All behaviour that differs between releases hangs on [Options.Version], one
// rule per method of one type; [Core.SetVersion] upgrades a running core. Known
// are 3.3.0 to 3.10.x and 4.0.0 to 4.10.x.
//
// # What is faithful
//
//   - HTTP signatures are verified over the received method, path and query,
//     with core's reactions: 401 for unknown keys and bad signatures, 500 where
//     its verifier raises, no comparison of the Date with any clock, 403 or 401
//     for disabled users, 429 where a release limits the rate ([Core.RevokeKey],
//     [Core.DisableUser], [Core.DeleteComponent], [Core.AddUser]).
//   - Registration: token, type, names shortened and unique, closed windows.
//   - Heartbeats over REST and WebSocket, the 180 s of being online, load and
//     metrics, tasks ([Core.Components], [Core.AddTask]).
//   - Organizations: without X-JMS-ORG the sessions of others are 404.
//   - Sessions: detail, list, PATCH, create; dates in core's zone; pages.
//   - Lifecycle events, each call one row ([Core.Events]).
//   - Uploads: version bounds, 401 with "msg" for an invalid form, the path
//     from the session's UTC date, collisions, streaming to disk, modes, the
//     later move to SERVER_REPLAY_STORAGE.
//   - The lookup of a replay in the volume and in external storages, the type
//     that the UI gives it ([Core.Served]), the API's cached answer to it, the
//     files of a download, and /media/ as a browser gets it ([Core.Login]).
//   - The nightly clean-up ([Core.Expire]).
//
// # What goes wrong
//
// [Core.Fail] makes requests fail before, in the middle of or after their
// processing: late answers, cut connections, lost answers, any status.
// [Core.Restart], [Core.SetVersion] and [Core.SetRegistration] change core under
// the feet of its clients.
//
// # What is not simulated
//
// Pages for people, translation (all texts are English), permissions beyond
// those of a component and of administrators, the enterprise edition's choice
// of organization, locking of rows, commands, full-text search, the cost of
// anything. Ids of sessions are matched in any spelling of a UUID where core
// does so. The storage libraries themselves are behind [External].
package devcore
