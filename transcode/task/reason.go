package task

import (
	"strings"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// Class is why a task failed, waits or was skipped, in one word that
// `tasks retry --reason` accepts.
type Class = queue.Class

// Classes. [Reasons] explains each.
const (
	ClassCore          Class = "core_unavailable"
	ClassCoreRefused   Class = "core_refused"
	ClassCredentials   Class = "core_credentials"
	ClassCoreStorage   Class = "core_storage"
	ClassTooLarge      Class = "too_large"
	ClassVolume        Class = "volume_unavailable"
	ClassDiskFull      Class = "disk_full"
	ClassReadOnly      Class = "read_only"
	ClassPermission    Class = "permission"
	ClassFFmpeg        Class = "ffmpeg_missing"
	ClassEncoder       Class = "encoder"
	ClassVerify        Class = "verification"
	ClassNotVisible    Class = "not_visible"
	ClassShadowed      Class = "shadowed"
	ClassUndecodable   Class = "undecodable"
	ClassNothingDrawn  Class = "nothing_drawn"
	ClassTooCostly     Class = "too_costly"
	ClassIncomplete    Class = "incomplete"
	ClassDiffers       Class = "differs"
	ClassTooSmall      Class = "too_small"
	ClassKind          Class = "not_guacamole"
	ClassSession       Class = "session_unknown"
	ClassSessionActive Class = "session_active"
	ClassNotGraphical  Class = "not_graphical"
	ClassMisplaced     Class = "misplaced"
	ClassGone          Class = "source_gone"
	ClassChanged       Class = "source_changed"
	// Of replay storages that are buckets.
	ClassStorage         Class = "storage_unavailable"
	ClassStorageKeys     Class = "storage_credentials"
	ClassStorageSettings Class = "storage_settings"
	ClassStorageFull     Class = "storage_full"
	ClassStorageDamaged  Class = "storage_damaged"
	ClassStorageRefused  Class = "storage_refused"
	ClassStorageChanged  Class = "storage_changed"
	ClassArchived        Class = "archived"
	ClassNullStorage     Class = "null_storage"
	ClassCrash           Class = "crash"
	ClassInternal        Class = "internal"
)

// Reason explains a class to people.
type Reason struct {
	Class   Class
	Title   string  // what is wrong, a few words
	Hint    string  // what to do about it
	Verdict Verdict // what a failure of this class usually means for its task
}

// RetriedAlone reports whether tasks of this class are tried again without help.
func (r Reason) RetriedAlone() bool { return r.Verdict <= Settles }

// Reasons explains all classes. Status page, command line, doctor, metrics
// and docs/troubleshooting.md say what stands here and nothing else.
var Reasons = []Reason{
	{ClassCore, "Core does not answer", "Tried again by itself. Look at CORE_HOST and at core.", Waits},
	{ClassCoreRefused, "Core refused the request", "See the task's log for core's words.", Fails},
	{ClassCredentials, "Core does not accept this agent", "See in JumpServer that the component is active.", Waits},
	{ClassCoreStorage, "Core could not store the file", "Look at space and rights of core's media volume.", Waits},
	{ClassTooLarge, "Too large for the proxy before core", "Raise CLIENT_MAX_BODY_SIZE in JumpServer's config.txt, then retry.", Fails},
	{ClassVolume, "The volume does not answer", "Tried again by itself. Look at the mount and its server.", Waits},
	{ClassDiskFull, "A disk is full", "Make room on the volume or below DATA_DIR; then it goes on by itself.", Waits},
	{ClassReadOnly, "A file system is read-only", "Mount it writable; then it goes on by itself.", Waits},
	{ClassPermission, "Not permitted on the volume", "Give the agent's user write permission on the replay folder.", Waits},
	{ClassFFmpeg, "ffmpeg is missing", "Install ffmpeg; then it goes on by itself.", Waits},
	{ClassEncoder, "The encoder failed", "See the task's log for ffmpeg's words.", Retries},
	{ClassVerify, "The MP4 was not proven good", "The original is untouched. Retry, and report it if it fails again.", Retries},
	{ClassNotVisible, "The upload does not appear on the volume", "Is REPLAY_DIR the replay folder of this very core?", Retries},
	{ClassShadowed, "Another file stands before the MP4", "Core would go on serving another file of the session; see the log, and remove one.", Fails},
	{ClassUndecodable, "The recording cannot be read", "It is damaged or no Guacamole dump. It stays where it is.", Fails},
	{ClassNothingDrawn, "Nothing was drawn", "The session ended before its first picture. The recording stays where it is.", Fails},
	{ClassTooCostly, "Far too much to draw", "It asks for much more than a session of its size does: an attack, or a fault to report. It stays where it is.", Fails},
	{ClassIncomplete, "The recording has no end", "It is still being written, or was cut.", Settles},
	{ClassDiffers, "Two recordings of one session", "An MP4 made from another recording is in place; compare them and remove one.", Fails},
	{ClassTooSmall, "Too small", "Lion itself would have thrown it away. It stays where it is.", Skips},
	{ClassKind, "Not a Guacamole recording", "Terminal recordings play in JumpServer as they are.", Skips},
	{ClassSession, "Core does not know the session", "It was deleted in JumpServer. The recording stays where it is.", Skips},
	{ClassSessionActive, "The session is not over", "Looked at again by itself.", Settles},
	{ClassNotGraphical, "Not a graphical session", "Text sessions play in JumpServer as they are.", Skips},
	{ClassMisplaced, "In the folder of another day", "Core looks for this session's replay elsewhere; see the log.", Skips},
	{ClassGone, "The recording is gone", "It was removed before its turn came.", Skips},
	{ClassChanged, "The recording changed", "Looked at again by itself.", Settles},
	{ClassStorage, "The replay storage does not answer", "Tried again by itself. Look at the storage and the way to it.", Waits},
	{ClassStorageKeys, "The replay storage refuses the key", "It needs the rights to list, read, write and delete; see the keys in JumpServer's replay storage, and this host's clock.", Waits},
	{ClassStorageSettings, "The replay storage's settings are wrong", "See bucket, endpoint and region in JumpServer's replay storage; then it goes on by itself.", Waits},
	{ClassStorageFull, "The replay storage is full", "Look at its quota and disks; then it goes on by itself.", Waits},
	{ClassStorageDamaged, "The replay storage has other bytes than were sent", "The original is untouched. Look at the storage's server.", Retries},
	{ClassStorageRefused, "The replay storage refused a request", "See the task's log for its words.", Retries},
	{ClassStorageChanged, "In a storage that is not this component's any more", "Looked at again when core's replay storage for this component is that one again.", Skips},
	{ClassArchived, "The recording is archived", "Restore the object in the storage's console, then retry.", Skips},
	{ClassNullStorage, "The replay storage is null", "It keeps nothing: choose another one for this component in JumpServer. The recording stays where it is.", Skips},
	{ClassCrash, "The agent died of it, again and again", "See the service's log for a crash or memory that ran out; retry when that is mended. The original is untouched.", Fails},
	{ClassInternal, "Internal error", "See the task's log, and please report it.", Retries},
}

var reasons = func() map[Class]Reason {
	byClass := map[Class]Reason{}
	for _, r := range Reasons {
		byClass[r.Class] = r
	}
	return byClass
}()

// ReasonOf returns the reason of a class. One that is not known here, as when
// another agent of the queue is newer, gets its own words as title, no hint,
// and [Retries].
func ReasonOf(c Class) Reason {
	if r, ok := reasons[c]; ok {
		return r
	}
	return Reason{Class: c, Title: strings.ReplaceAll(string(c), "_", " "), Verdict: Retries}
}
