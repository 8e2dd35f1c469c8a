// Package devcore simulates JumpServer's core faithfully, as far as a component
// uses it: registration, heartbeats, sessions, uploads of replays, reports about
// them, and what the web UI then serves. Tests run against it, and the demo uses it
// as its development core.
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
// It shares no code with the client of core, so that tests find a misunderstanding
// in either of them. Its knowledge comes from the published sources of JumpServer
// (core 3.3 to 4.10, and the components koko and lion), without copying them. What
// was measured on real cores 3.10.9 and 4.10.16 is in realcore_test.go and
// realsettings_test.go.
//
// # Versions
//
// All behaviour that differs between releases depends on [Options.Version]: each
// rule is one method of one type. [Core.SetVersion] upgrades a running core. Known
// are 3.3.0 to 3.10.x and 4.0.0 to 4.10.x.
//
// # What is faithful
//
//   - HTTP signatures are verified over the received method, path and query,
//
// with core's responses: 401 for unknown keys and bad signatures, 500 where its
// verifier raises an exception, 403 or 401 for disabled users, 429 where a release
// limits the rate. The Date is not compared with any clock ([Core.RevokeKey],
// [Core.DisableUser], [Core.DeleteComponent], [Core.AddUser]).
//   - Registration: token, type, shortened and unique names, closed windows.
//   - Heartbeats over REST and WebSocket, the online state of 180 s, load and
//
// metrics, tasks ([Core.Components], [Core.AddTask]).
//   - Organizations: without X-JMS-ORG the sessions of others are 404.
//   - Sessions: detail, list, PATCH, create; dates in core's zone; pages.
//   - Lifecycle events, each call one row ([Core.Events]).
//   - Uploads: version bounds, 401 with "msg" for an invalid form, the path
//
// from the session's UTC date, collisions, streaming to disk, modes, the later move
// to SERVER_REPLAY_STORAGE.
//   - The lookup of a replay in the volume and in external storages, the type
//
// that the UI gives it ([Core.Served]), the API's cached response, the files of a
// download, and /media/ as a browser gets it ([Core.Login]).
//   - Users and assets that new sessions must name ([Core.AddUser], [Core.AddAsset]).
//   - The nightly clean-up ([Core.Expire]), and sessions that core itself marks
//
// as finished ([Core.FinishOrphans]).
//   - What administrators do through the API: delete sessions, create and choose
//
// replay storages, open registration.
//
// # Faults
//
// [Core.Fail] makes requests fail before, during or after their processing: late
// responses, closed connections, lost responses, any status. [Core.Restart],
// [Core.SetVersion] and [Core.SetRegistration] change core while clients use it.
//
// # What is not simulated
//
// Web pages, translation (all but two texts are English), permissions beyond those
// of a component and of administrators, the enterprise edition's choice of
// organization; locking of rows, commands, full-text search, and performance. Ids
// of sessions are matched in any spelling of a UUID where core does so. The storage
// libraries themselves are behind [External].
package devcore
