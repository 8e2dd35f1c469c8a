// Package storage writes recordings and videos to the replay storages that an
// administrator of JumpServer can configure, and reads and lists them.
//
// # Kinds
//
// [Parse] parses the storage in a component's terminal config. Its [Config.Target]
// says where a video is stored: in core's own folder (server, and every kind that
// core treats as server), nowhere (null), or in a bucket. There are four protocols
// for buckets, one package each:
//
//	s3     s3, ceph (which core hands out as s3), swift and cos
//	oss    Alibaba Cloud
//	obs    Huawei Cloud
//	azure  Azure Blob Storage
//
// Package open returns the [Storage] of a [Config]. All of them pass the same
// conformance suite (storagetest) against real servers; docs/storage.md lists
// these.
//
// # Keys
//
// D is the day on which the session began, in UTC, and S is its id. Core looks for
// D/S.replay.gz, D/S.cast.gz, D/S.replay.mp4 and D/S/S.replay.json, the last with
// its parts in the same folder. There is no common prefix. [Shadows] lists what
// core would serve instead of the video, by core's version; [Trash] moves it to a
// key that core never looks for.
//
// # Secrets
//
// Access keys are [Secret]s: printed, logged and marshalled they are REDACTED.
// Errors contain the server's code and message and never a signed address.
package storage
