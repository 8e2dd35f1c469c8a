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
	ClassElsewhere       Class = "elsewhere"
	// Of tasks that are done, with a doubt.
	ClassNotAllShown Class = "not_all_shown"
	ClassMuchShorter Class = "much_shorter"
	ClassWatched     Class = "watched"
	ClassForged      Class = "record_forged" // [queue.Forged]
	ClassCrash       Class = "crash"
	ClassInternal    Class = "internal"
)

// Reason explains a class to people. Title and Hint are plain text, for
// terminal, page and documentation alike.
type Reason struct {
	Class   Class
	Title   string  // what is wrong, in a few words
	Hint    string  // what to do about it, in whole sentences
	Verdict Verdict // what a failure of this class usually means for its task
}

// RetriedAlone reports whether tasks of this class are tried again without
// help. A task that has failed for good is not, whatever its class.
func (r Reason) RetriedAlone() bool { return r.Verdict <= Settles }

//go:generate go test . -run TestReasonsInTheDocs -update

// Reasons explains all classes. Status page, command line and doctor show what
// stands here; `go generate` writes it into docs/troubleshooting.md.
var Reasons = []Reason{
	{ClassCore, "Core does not answer", "Look at CORE_HOST, at the way to core, and at core itself.", Waits},
	{ClassCoreRefused, "Core refused the request", "The task's log has core's words. Fix what they name, then retry.", Fails},
	{ClassCredentials, "Core does not accept this agent", "See in JumpServer that the component is there and active.", Waits},
	{ClassCoreStorage, "Core could not store the file", "Look at the space and the permissions of core's media volume.", Waits},
	{ClassTooLarge, "Too large for the proxy in front of core",
		"Raise CLIENT_MAX_BODY_SIZE in JumpServer's config.txt, or let CORE_HOST name core itself; then retry.", Fails},
	{ClassVolume, "The replay volume is not available", "Look at the mount of REPLAY_DIR and at its server (docs/nfs.md).", Waits},
	{ClassDiskFull, "A disk is full", "Make room on the replay volume or below DATA_DIR.", Waits},
	{ClassReadOnly, "A file system is read-only", "Mount it read-write.", Waits},
	{ClassPermission, "Permission denied on the replay volume",
		"Give the agent's user read and write permission on the replay folder (docs/nfs.md).", Waits},
	{ClassFFmpeg, "ffmpeg is missing", "Install it again.", Waits},
	{ClassEncoder, "The encoder failed", "The task's log has ffmpeg's words. Retry, and report it if it fails again.", Retries},
	{ClassVerify, "The MP4 was not proven good", "The original is untouched. Retry, and report it if it fails again.", Retries},
	{ClassNotVisible, "The MP4 is not there after its upload", "Check that REPLAY_DIR is the replay folder of this very core.", Retries},
	{ClassShadowed, "Another file takes precedence over the MP4",
		"Core would serve that other file. The task's log names it; remove one of the two, then retry.", Fails},
	{ClassUndecodable, "The recording cannot be read",
		"It is damaged, or not of Guacamole, and stays where it is. Run jumpserver-video convert on it: the message says what is wrong.", Fails},
	{ClassNothingDrawn, "Nothing was drawn",
		"Nothing to do: the session ended before its first picture. The recording stays where it is.", Fails},
	{ClassTooCostly, "Far more drawing than a session can need",
		"No real session is known to: it is an attack on the agent, or a fault to report. See who recorded it. The recording stays where it is.", Fails},
	{ClassIncomplete, "The recording is not complete",
		"Wait until Lion has ended its upload. A recording that was cut fails after a day; it plays in JumpServer as far as it goes.", Settles},
	{ClassDiffers, "The session has another replay",
		"What core has was made from another recording. Compare the two and remove one, then retry. An upload stays in the spool until then.", Fails},
	{ClassTooSmall, "Too small for a recording", "Nothing to do: Lion itself throws such files away. It stays where it is.", Skips},
	{ClassKind, "Not a Guacamole recording", "Nothing to do: text sessions play in JumpServer as they are.", Skips},
	{ClassSession, "Core does not know the session",
		"Nothing to do: it was deleted in JumpServer. The recording stays where it is.", Skips},
	{ClassSessionActive, "The session is not over", "Wait. If nobody is in it any more, end it in JumpServer.", Settles},
	{ClassNotGraphical, "Not a graphical session", "Nothing to do: text sessions play in JumpServer as they are.", Skips},
	{ClassMisplaced, "In the folder of another day",
		"Core would not find it there either. Move it to the folder of the day that the task's log names.", Skips},
	{ClassGone, "The recording is gone", "Nothing to do: it was removed before its turn came.", Skips},
	{ClassChanged, "The recording changed", "Nothing to do: it was written to while it was read.", Settles},
	{ClassStorage, "The replay storage does not answer", "Look at the storage and at the way to it.", Waits},
	{ClassStorageKeys, "The replay storage refuses the key",
		"It needs the rights to list, read, write and delete. Check the key in JumpServer's replay storage, and this host's clock.", Waits},
	{ClassStorageSettings, "The replay storage's settings are wrong",
		"Check bucket, endpoint and region in JumpServer's replay storage.", Waits},
	{ClassStorageFull, "The replay storage is full", "Look at its quota and at its disks.", Waits},
	{ClassStorageDamaged, "The replay storage has other bytes than were sent",
		"The original is untouched. Look at the storage's server, then retry.", Retries},
	{ClassStorageRefused, "The replay storage refused a request",
		"The task's log has the storage's words. Fix what they name, then retry.", Retries},
	{ClassStorageChanged, "In a storage that is no longer this component's",
		"Nothing to do, unless that storage is to be this component's again: the agent then goes on.", Skips},
	{ClassArchived, "The recording is archived", "Restore the object in the storage's console, then retry.", Skips},
	{ClassNullStorage, "The replay storage is null",
		"It keeps nothing. Choose another one for this component in JumpServer; the agent then goes on.", Skips},
	{ClassElsewhere, "Core keeps the session's replay in another storage", "Give all components one replay storage in JumpServer, or name the storage of SERVER_REPLAY_STORAGE as this component's; then retry. The recording stays where it is.", Skips},
	{ClassNotAllShown, "The MP4 may not show everything",
		"The original is kept for good: in the folder kept of the trash, or of the spool if it was uploaded. The task's log says what may be missing.", Skips},
	{ClassMuchShorter, "The MP4 is much shorter than the session",
		"The recording holds no more than that. Look into Lion's log of that time: the recording may have been cut, or core may have ended the session later.", Skips},
	{ClassWatched, "Somebody may be watching the original", "Nothing to do: core hands out the original's address for ten minutes.", Settles},
	{ClassForged, "The task's record is not of this fleet",
		"Somebody who reaches NATS has written it, or an agent with another VIDEO_WORKER_SECRET_KEY or none (docs/fleet.md). " +
			"Nothing was done to the recording, which becomes a task again when it is found again.", Fails},
	{ClassCrash, "The agent died of it several times in a row",
		"The original is untouched. Look into journalctl -u jumpserver-video for a crash, or for memory that ran out " +
			"(lower VIDEO_WORKER_COUNT); then retry.", Fails},
	{ClassInternal, "Internal error", "Report it, with the task's log.", Retries},
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
