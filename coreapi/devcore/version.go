package devcore

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// version is a release of core. Its methods are all that differs between
// releases: each names one rule.
type version [3]int

// parseVersion reads "4.10.13" or "v4.10.13". Releases whose behaviour nobody
// has read (before 3.3.0, 3.11 and later, 4.11 and later) are unknown.
func parseVersion(s string) (version, error) {
	var v version
	fields := strings.Split(strings.TrimPrefix(strings.TrimSpace(s), "v"), ".")
	if len(fields) != len(v) {
		return v, fmt.Errorf("core version %q: want one such as 4.10.13", s)
	}
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 16)
		if err != nil {
			return v, fmt.Errorf("core version %q: want one such as 4.10.13", s)
		}
		v[i] = int(n)
	}
	if !v.since(3, 3, 0) || v[0] > 4 || v[1] > 10 {
		return v, fmt.Errorf("core version %q is unknown: known are 3.3.0 to 3.10.x and 4.0.0 to 4.10.x", s)
	}
	return v, nil
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// since tells whether v is the given release or a later one.
func (v version) since(major, minor, patch int) bool {
	for i, n := range [3]int{major, minor, patch} {
		if v[i] != n {
			return v[i] > n
		}
	}
	return true
}

// Authentication.

// challenge is the WWW-Authenticate header of a 401.
func (v version) challenge() string {
	if v.since(4, 0, 0) {
		return `Signature realm="api",headers="(request-target) date"`
	}
	return "Bearer"
}

// disabledIsStranger: keys of disabled accounts fail (401) rather than their
// permissions (403).
func (v version) disabledIsStranger() bool { return v.since(4, 10, 8) }

// ratePerMinute is how many requests a service account may make; 0 = any.
func (v version) ratePerMinute() int {
	switch {
	case v.since(4, 10, 17):
		return 20480
	case v.since(4, 10, 15):
		return 300
	}
	return 0
}

// windowed: registration is open for a short time after the start of core,
// unless switched on or off, and says 401 when it is closed.
func (v version) windowed() bool { return v.since(4, 9, 0) }

// Sessions.

// badIDStatus answers a session id that is not a UUID.
func (v version) badIDStatus() int {
	if v.since(4, 0, 0) {
		return 500
	}
	return 404
}

func (v version) hasReplaySize() bool     { return v.since(4, 10, 4) }
func (v version) hasLifecycleLog() bool   { return v.since(3, 10, 4) }
func (v version) hasConvertFailed() bool  { return v.since(3, 8, 0) }
func (v version) patchCountsAmount() bool { return !v.since(4, 0, 0) }

// bareLimit caps a list asked for without limit; 0 = it is complete.
func (v version) bareLimit() int {
	if v.since(4, 10, 8) {
		return 200
	}
	return 0
}

// maxLimit caps a page.
func (v version) maxLimit() int {
	if v.since(4, 10, 8) {
		return 1000
	}
	return 10000
}

// garbles: a reason with ", " in it cannot be shown in the activity log.
func (v version) garbles() bool { return !v.since(4, 0, 0) }

// Replays.

// maxReplayVersion is the largest "version" of an upload.
func (v version) maxReplayVersion() int {
	if v.hasParts() {
		return 5
	}
	return 4
}

// hasParts: recordings in several files exist.
func (v version) hasParts() bool { return v.since(4, 2, 0) }

// replaces: an upload whose name is taken takes its place.
func (v version) replaces() bool { return v.since(4, 8, 0) }

// movesByName: the move to SERVER_REPLAY_STORAGE handles the uploaded file
// itself; before, it ships whatever the lookup finds under a key that the
// lookup never asks for.
func (v version) movesByName() bool { return v.since(4, 2, 0) }

// partTemps: parts are downloaded under a temporary name.
func (v version) partTemps() bool { return v.since(4, 3, 0) }

// anyMP4: every .mp4 is a video to the UI, not only .replay.mp4.
func (v version) anyMP4() bool { return v.since(4, 10, 13) }

// recorderFirst: the storage of the component that recorded a session is
// searched completely before the others.
func (v version) recorderFirst() bool { return v.since(4, 10, 17) }

// oneBreaksAll: a storage whose settings cannot be used at all fails the
// lookup in every other.
func (v version) oneBreaksAll() bool { return !v.since(4, 0, 0) }

// videosByNginx: MP4s are sent by nginx, which must be able to read them.
func (v version) videosByNginx() bool { return v.since(3, 10, 2) }

// tarsByNginx: downloads have an X-Accel-Redirect in place of a body, and are
// limited to tarsPerHour.
func (v version) tarsByNginx() bool { return v.since(4, 10, 17) }

const tarsPerHour = 50

// Suffixes of replays below the session's date; the last one lies in a folder
// of its own, the first, of JumpServer 1, outside of the replay folder.
const (
	suffixLegacy = ".gz"
	suffixGuac   = ".replay.gz"
	suffixCast   = ".cast.gz"
	suffixMP4    = ".replay.mp4"
	suffixIndex  = ".replay.json"
)

// suffixes are what core looks for, in this order.
func (v version) suffixes() []string {
	if v.hasParts() {
		return []string{suffixGuac, suffixCast, suffixMP4, suffixIndex}
	}
	return []string{suffixLegacy, suffixGuac, suffixCast, suffixMP4}
}

// expiring are the names that clean-up removes.
func (v version) expiring() []string {
	exts := []string{".json", ".tar", ".gz"}
	if v.since(3, 10, 23) {
		exts = append(exts, ".mp4")
	}
	return exts
}

// Durations that are the same in all releases.
const (
	onlineFor          = 180 * time.Second // after a heartbeat
	registrationWindow = 300 * time.Second // after the start of core
	taskLife           = 10 * time.Minute  // that a task is handed out
	replayCache        = 600 * time.Second // that an answer of GET …/replay/ is kept
)
