package statuspage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// Reason is all tasks that failed, wait or were skipped for one reason.
type Reason struct {
	Class    queue.Class `json:"class"`
	Title    string      `json:"title"`
	Hint     string      `json:"hint"` // what to do
	Failed   int         `json:"failed"`
	Retrying int         `json:"retrying"`
	Waiting  int         `json:"waiting"` // too early
	Skipped  int         `json:"skipped"`
	Error    string      `json:"error"` // of the task that changed last
	Latest   time.Time   `json:"latest"`
	Sessions []string    `json:"sessions"` // the first few
}

const sessionsShown = 5

// group counts a task with its reason. The last change comes first.
func group(reasons map[queue.Class]*Reason, t queue.Task) {
	r := reasons[t.Reason]
	if r == nil {
		title, hint := explain(t.Reason)
		r = &Reason{Class: t.Reason, Title: title, Hint: hint, Error: t.Error, Latest: t.Updated}
		reasons[t.Reason] = r
	}
	switch t.State {
	case queue.StateFailed:
		r.Failed++
	case queue.StateSkipped:
		r.Skipped++
	case queue.StateRetrying:
		r.Retrying++
	default:
		r.Waiting++
	}
	if len(r.Sessions) < sessionsShown {
		r.Sessions = append(r.Sessions, t.ID)
	}
}

// sorted puts what failed first, then what is tried again, then the rest.
func sorted(reasons map[queue.Class]*Reason) []Reason {
	list := []Reason{}
	for _, r := range reasons {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Retrying, a.Retrying),
			cmp.Compare(b.Waiting+b.Skipped, a.Waiting+a.Skipped), cmp.Compare(a.Class, b.Class))
	})
	return list
}

// explain says what a class means and what mends it.
func explain(c queue.Class) (title, hint string) {
	if e, ok := explanations[c]; ok {
		return e[0], e[1]
	}
	return strings.ReplaceAll(string(c), "_", " "), ""
}

var explanations = map[queue.Class][2]string{
	transcode.ClassCore:            {"Core does not answer", "Tried again by itself. Look at CORE_HOST and at core."},
	transcode.ClassCoreRefused:     {"Core refused the request", "See the task's log for core's words."},
	transcode.ClassCredentials:     {"Core does not accept this agent", "See in JumpServer that the component is active."},
	transcode.ClassCoreStorage:     {"Core could not store the file", "Look at space and rights of core's media volume."},
	transcode.ClassTooLarge:        {"Too large for the proxy before core", "Raise CLIENT_MAX_BODY_SIZE in JumpServer's config.txt, then retry."},
	transcode.ClassVolume:          {"The volume does not answer", "Tried again by itself. Look at the mount and its server."},
	transcode.ClassDiskFull:        {"A disk is full", "Make room on the volume or below DATA_DIR; then it goes on by itself."},
	transcode.ClassReadOnly:        {"A file system is read-only", "Mount it writable; then it goes on by itself."},
	transcode.ClassPermission:      {"Not permitted on the volume", "Give the agent's user write permission on the replay folder."},
	transcode.ClassFFmpeg:          {"ffmpeg is missing", "Install ffmpeg; then it goes on by itself."},
	transcode.ClassEncoder:         {"The encoder failed", "See the task's log for ffmpeg's words."},
	transcode.ClassVerify:          {"The MP4 was not proven good", "The original is untouched. Retry, and report it if it fails again."},
	transcode.ClassNotVisible:      {"The upload does not appear on the volume", "Is REPLAY_DIR the replay folder of this very core?"},
	transcode.ClassShadowed:        {"Another file stands before the MP4", "Core would go on serving another file of the session; see the log, and remove one."},
	transcode.ClassUndecodable:     {"The recording cannot be read", "It is damaged or no Guacamole dump. It stays where it is."},
	transcode.ClassNothingDrawn:    {"Nothing was drawn", "The session ended before its first picture. The recording stays where it is."},
	transcode.ClassIncomplete:      {"The recording has no end", "It is still being written, or was cut."},
	transcode.ClassDiffers:         {"Two recordings of one session", "An MP4 made from another recording is in place; compare them and remove one."},
	transcode.ClassTooSmall:        {"Too small", "Lion itself would have thrown it away. It stays where it is."},
	transcode.ClassKind:            {"Not a Guacamole recording", "Terminal recordings play in JumpServer as they are."},
	transcode.ClassSession:         {"Core does not know the session", "It was deleted in JumpServer. The recording stays where it is."},
	transcode.ClassSessionActive:   {"The session is not over", "Looked at again by itself."},
	transcode.ClassNotGraphical:    {"Not a graphical session", "Text sessions play in JumpServer as they are."},
	transcode.ClassMisplaced:       {"In the folder of another day", "Core looks for this session's replay elsewhere; see the log."},
	transcode.ClassGone:            {"The recording is gone", "It was removed before its turn came."},
	transcode.ClassChanged:         {"The recording changed", "Looked at again by itself."},
	transcode.ClassCrash:           {"The agent died of it, again and again", "See the service's log for a crash or memory that ran out; retry when that is mended. The original is untouched."},
	transcode.ClassStorage:         {"The replay storage does not answer", "Tried again by itself. Look at the storage and the way to it."},
	transcode.ClassStorageKeys:     {"The replay storage refuses the key", "It needs the rights to list, read, write and delete; see the keys in JumpServer's replay storage, and this host's clock."},
	transcode.ClassStorageSettings: {"The replay storage's settings are wrong", "See bucket, endpoint and region in JumpServer's replay storage; then it goes on by itself."},
	transcode.ClassStorageFull:     {"The replay storage is full", "Look at its quota and disks; then it goes on by itself."},
	transcode.ClassStorageDamaged:  {"The replay storage has other bytes than were sent", "The original is untouched. Look at the storage's server."},
	transcode.ClassStorageRefused:  {"The replay storage refused a request", "See the task's log for its words."},
	transcode.ClassStorageChanged:  {"In a storage that is not this component's any more", "Looked at again when core's replay storage for this component is that one again."},
	transcode.ClassArchived:        {"The recording is archived", "Restore the object in the storage's console, then retry."},
	transcode.ClassNullStorage:     {"The replay storage is null", "It keeps nothing: choose another one for this component in JumpServer. The recording stays where it is."},
	transcode.ClassInternal:        {"Internal error", "See the task's log, and please report it."},
}
