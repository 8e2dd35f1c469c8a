// Package storage puts recordings and videos into the replay storages that an
// administrator of JumpServer can configure, and finds them there.
//
// # Kinds
//
// [Parse] reads what core hands out in a component's terminal config. Its
// [Config.Target] says what that means for a video: core's own folder (server,
// and whatever core itself treats as such), nowhere (null), or a bucket. The
// buckets speak four protocols, one package each:
//
//	s3     s3, ceph (which core hands out as s3), swift and cos
//	oss    Alibaba Cloud
//	obs    Huawei Cloud
//	azure  Azure Blob Storage
//
// Package open makes the [Storage] of a [Config]. All of them pass the same
// conformance suite (storagetest) against real servers; docs/storage.md says
// which.
//
// # Keys
//
// D being the day on which the session began in UTC and S its id, core looks
// for D/S.replay.gz, D/S.cast.gz, D/S.replay.mp4 and D/S/S.replay.json, the
// last with its parts beside it. There is no common prefix. [Shadows] lists
// what core would serve in place of the video, by core's version; [Trash]
// moves it to where core cannot match it.
//
// # Secrets
//
// Access keys are [Secret]s, which print, log and marshal as REDACTED. Errors
// carry the server's code and message and never a signed address.
package storage
