package task

import (
	"strings"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// Class is the reason why a task failed, waits or was skipped, as one word that `tasks
// retry --reason` accepts.
type Class = queue.Class

// Classes. [Reasons] explains each of them.
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
	ClassScreen        Class = "screen_too_large"
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
	// Classes of replay storages that are buckets.
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
	// Classes of tasks that are done, with a doubt, and others.
	ClassNotAllShown Class = "not_all_shown"
	ClassMuchShorter Class = "much_shorter"
	ClassUnproven    Class = "unproven"
	ClassWatched     Class = "watched"
	ClassRestored    Class = "restored"
	ClassForged      Class = "record_forged" // [queue.Forged]
	ClassCrash       Class = "crash"
	ClassInternal    Class = "internal"
)

// Reason explains a class to people. Title and Hint are plain text that is used in the
// terminal, on the page and in the documentation.
type Reason struct {
	Class   Class
	Title   string  // what is wrong, at most 50 characters
	Hint    string  // what to do about it, in whole sentences
	Verdict Verdict // what a failure of this class usually means for its task
}

// RetriedAutomatically reports whether tasks of this class are usually retried without an
// operator. A task in the state failed is not, whatever its class.
func (r Reason) RetriedAutomatically() bool { return r.Verdict <= Settles }

// Harmless reports whether a task that failed for this reason needs no attention.
func (r Reason) Harmless() bool { return r.Class == ClassNothingDrawn }

//go:generate go test ../../cmd/internal/i18n -run TestReasonsInTheDocs -update

// Reasons explains all classes. Status page, command line and doctor show these texts or
// their translations in cmd/internal/i18n. `go generate` writes all of them into
// docs/troubleshooting.md and its translations.
var Reasons = []Reason{
	{ClassCore, "Core does not respond", "Check CORE_HOST, the network to core, and core itself.", Waits},
	{ClassCoreRefused, "Core refused the request", "The task's log has core's message. Fix what it names, then retry.", Fails},
	{ClassCredentials, "Core does not accept this agent", "Check in JumpServer that the component exists and is active.", Waits},
	{ClassCoreStorage, "Core could not store the file", "Check the free space and the permissions of core's media volume.", Waits},
	{ClassTooLarge, "Too large for the proxy in front of core",
		"Raise CLIENT_MAX_BODY_SIZE in JumpServer's config.txt, or set CORE_HOST to core itself; then retry.", Fails},
	{ClassVolume, "The replay volume is not available", "Check the mount of REPLAY_DIR and its server (docs/nfs.md).", Waits},
	{ClassDiskFull, "A disk is full", "Free some space on the replay volume or below DATA_DIR.", Waits},
	{ClassReadOnly, "A file system is read-only", "Run jumpserver-video doctor: it says what is read-only, and what to do.", Waits},
	{ClassPermission, "Permission denied on the replay volume",
		"Run jumpserver-video doctor: it says which permission is missing, and what to do (docs/nfs.md).", Waits},
	{ClassFFmpeg, "ffmpeg is missing", "Reinstall ffmpeg.", Waits},
	{ClassEncoder, "The encoder failed", "The task's log has ffmpeg's message. Retry; if it fails again, report it.", Retries},
	{ClassVerify, "The MP4 failed verification", "The original is untouched. Retry; if it fails again, report it.", Retries},
	{ClassNotVisible, "The MP4 was not found after its upload", "Check that REPLAY_DIR is the replay folder of this core, and not of another.", Retries},
	{ClassShadowed, "Another file takes precedence over the MP4",
		"Core would serve that other file. The task's log names it; remove one of the two, then retry.", Fails},
	{ClassUndecodable, "The recording cannot be read",
		"It is damaged, or not a Guacamole recording. It stays where it is. Run jumpserver-video convert on it: the message says what is wrong.", Fails},
	{ClassNothingDrawn, "Nothing was drawn",
		"Nothing to do: the session ended before its first picture. The recording stays where it is.", Fails},
	{ClassScreen, "The screen is too large to be drawn",
		"The task's log says how large it is. The agent draws up to 64 megapixels, if 16 bytes of memory are free for each pixel. " +
			"Give the service more memory (MemoryHigh in docs/tuning.md), then retry. The recording stays where it is.", Retries},
	{ClassTooCostly, "Far more drawing than a session can need",
		"No real session is known to need that: it is an attack on the agent, or a bug to report. " +
			"Find out who recorded it. The recording stays where it is.", Fails},
	{ClassIncomplete, "The recording is not complete",
		"Wait until Lion has finished its upload. A truncated recording fails after a day; JumpServer plays it up to its end. " +
			"jumpserver-video tasks retry --accept-incomplete makes an MP4 of what exists, and keeps the original.", Settles},
	{ClassDiffers, "The session has another replay",
		"Core's replay was made from another recording. Compare the two and remove one, then retry. Until then, an upload stays in the spool.", Fails},
	{ClassTooSmall, "Too small for a recording", "Nothing to do: Lion discards such files, too. It stays where it is.", Skips},
	{ClassKind, "Not a Guacamole recording", "Nothing to do: JumpServer plays text sessions without conversion.", Skips},
	{ClassSession, "Core does not know the session",
		"Nothing to do: it was deleted in JumpServer. The recording stays where it is.", Skips},
	{ClassSessionActive, "The session has not ended", "Wait. If nobody uses it any more, end it in JumpServer.", Settles},
	{ClassNotGraphical, "Not a graphical session", "Nothing to do: JumpServer plays text sessions without conversion.", Skips},
	{ClassMisplaced, "In the folder of another day",
		"Core does not find it there. Move it to the folder of the day that the task's log names.", Skips},
	{ClassGone, "The recording no longer exists", "Nothing to do: someone removed it. If its MP4 was already in place, it stays.", Skips},
	{ClassChanged, "The recording changed", "Nothing to do: it was still written to while the agent read it.", Settles},
	{ClassStorage, "The replay storage does not respond", "Check the storage and the network to it.", Waits},
	{ClassStorageKeys, "The replay storage refuses the key",
		"The key needs the rights to list, read, write and delete. Check it in JumpServer's replay storage, and check this host's clock.", Waits},
	{ClassStorageSettings, "The replay storage's settings are wrong",
		"Check bucket, endpoint and region in JumpServer's replay storage.", Waits},
	{ClassStorageFull, "The replay storage is full", "Check its quota and its disks.", Waits},
	{ClassStorageDamaged, "The stored file differs from the one that was sent",
		"The original is untouched. Check the storage's server, then retry.", Retries},
	{ClassStorageRefused, "The replay storage refused a request",
		"The task's log has the storage's message. Fix what it names, then retry.", Retries},
	{ClassStorageChanged, "In a storage that is no longer this component's",
		"Nothing to do. If that storage becomes this component's again, the agent continues.", Skips},
	{ClassArchived, "The recording is archived", "Restore the object in the storage's console, then retry.", Skips},
	{ClassNullStorage, "The replay storage is null",
		"It stores nothing. Choose another one for this component in JumpServer; the agent then continues.", Skips},
	{ClassElsewhere, "Core keeps the session's replay in another storage",
		"Give all components one replay storage in JumpServer, or make the storage of SERVER_REPLAY_STORAGE this component's; then retry. " +
			"The recording stays where it is.", Skips},
	{ClassNotAllShown, "The MP4 may not show everything",
		"The original is kept permanently: in the folder kept of the trash, or of the spool if it was uploaded. The task's log says what may be missing.", Skips},
	{ClassMuchShorter, "The MP4 is much shorter than the session",
		"The recording contains no more. Check Lion's log of that time: the recording may have been cut, or core may have ended the session later.", Skips},
	{ClassUnproven, "Core may serve another file than the MP4",
		"A response of core was lost, and without REPLAY_DIR the agent cannot see what core has. " +
			"Check that the session plays, and look at the files that the task's log names. " +
			"The upload is kept permanently, in the folder kept of the spool.", Skips},
	{ClassWatched, "Someone may be watching the original", "Nothing to do: the address of the original that core gives is valid for ten minutes.", Settles},
	{ClassRestored, "The original was restored",
		"Someone has requested it with jumpserver-video trash restore. It stays where it is, beside its MP4, until its task is retried.", Skips},
	{ClassForged, "The task's record is not from this fleet",
		"It was written by someone who reaches NATS, or by an agent with another VIDEO_WORKER_SECRET_KEY or none (docs/fleet.md). " +
			"Nothing was done to the recording, which becomes a task again when it is found again.", Fails},
	{ClassCrash, "The agent crashed on it several times in a row",
		"The original is untouched. Look in journalctl -u jumpserver-video for a crash or a lack of memory " +
			"(then lower VIDEO_WORKER_COUNT); then retry.", Fails},
	{ClassInternal, "Internal error", "Report it, with the task's log.", Retries},
}

var reasons = func() map[Class]Reason {
	byClass := map[Class]Reason{}
	for _, r := range Reasons {
		byClass[r.Class] = r
	}
	return byClass
}()

// ReasonOf returns the reason of a class. A class may be unknown, because another agent
// of the queue is newer. Its reason has the words of the class as title, no hint, and the
// verdict [Retries].
func ReasonOf(c Class) Reason {
	if r, ok := reasons[c]; ok {
		return r
	}
	return Reason{Class: c, Title: strings.ReplaceAll(string(c), "_", " "), Verdict: Retries}
}
