package devcore

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// version is a release of core. Everything that differs between releases is one of
// its methods, one rule per method.
type version [3]int

// parseVersion parses "4.10.13" or "v4.10.13". It refuses releases whose sources
// have not been read: before 3.3.0, 3.11 and later, 4.11 and later.
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

// since reports whether v is the given release or a later one.
func (v version) since(major, minor, patch int) bool {
	for i, n := range [3]int{major, minor, patch} {
		if v[i] != n {
			return v[i] > n
		}
	}
	return true
}

// Authentication.

// challenge returns the WWW-Authenticate header of a 401.
func (v version) challenge() string {
	if v.since(4, 0, 0) {
		return `Signature realm="api",headers="(request-target) date"`
	}
	return "Bearer"
}

// disabledIsStranger reports whether the key of a disabled account is refused with
// 401, instead of a 403 for its permissions.
func (v version) disabledIsStranger() bool { return v.since(4, 10, 8) }

// judgesBearer reports whether an invalid bearer token is refused as such. Later
// versions treat it as no credentials.
func (v version) judgesBearer() bool { return !v.since(4, 0, 0) }

// speaksChinese reports whether messages are Chinese if the caller names no
// language.
func (v version) speaksChinese() bool { return !v.since(4, 0, 0) }

// checksNewSessions reports whether the users and assets of an announced session
// must exist in core. This is known of v4.5 and later; v4.2 did not check.
func (v version) checksNewSessions() bool { return v.since(4, 5, 0) }

// stripsCommas reports whether core removes commas from reasons, which would be
// read as lists.
func (v version) stripsCommas() bool { return v.since(4, 0, 0) }

// expiresToTheSecond reports whether clean-up compares times instead of whole days.
func (v version) expiresToTheSecond() bool { return v.since(4, 0, 0) }

// ratePerMinute returns how many requests a service account may make; 0 = any
// number.
func (v version) ratePerMinute() int {
	switch {
	case v.since(4, 10, 17):
		return 20480
	case v.since(4, 10, 15):
		return 300
	}
	return 0
}

// windowed reports whether registration is open for a short time after the start of
// core, unless it is switched on or off. Core then responds with 401 when it is
// closed.
func (v version) windowed() bool { return v.since(4, 9, 0) }

// Sessions.

// badIDStatus returns the status for a session id that is not a UUID.
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

// bareLimit returns the maximum length of a list that is requested without limit; 0
// = no maximum.
func (v version) bareLimit() int {
	if v.since(4, 10, 8) {
		return 200
	}
	return 0
}

// maxLimit returns the maximum length of a page.
func (v version) maxLimit() int {
	if v.since(4, 10, 8) {
		return 1000
	}
	return 10000
}

// garbles reports whether the activity log cannot show a reason with ", " in it.
func (v version) garbles() bool { return !v.since(4, 0, 0) }

// Replays.

// maxReplayVersion returns the largest "version" of an upload.
func (v version) maxReplayVersion() int {
	if v.hasParts() {
		return 5
	}
	return 4
}

// hasParts reports whether there are recordings in several files.
func (v version) hasParts() bool { return v.since(4, 2, 0) }

// replaces reports whether an upload replaces a file with the same name.
func (v version) replaces() bool { return v.since(4, 8, 0) }

// movesByName reports whether the move to SERVER_REPLAY_STORAGE moves the uploaded
// file itself. Before, core moves the file that the lookup finds, under a key that
// the lookup never searches.
func (v version) movesByName() bool { return v.since(4, 2, 0) }

// partTemps reports whether parts are downloaded under a temporary name.
func (v version) partTemps() bool { return v.since(4, 3, 0) }

// anyMP4 reports whether the UI plays every .mp4 as a video, not only .replay.mp4.
func (v version) anyMP4() bool { return v.since(4, 10, 13) }

// recorderFirst reports whether the storage of the component that recorded a
// session is searched completely before the others.
func (v version) recorderFirst() bool { return v.since(4, 10, 17) }

// oneBreaksAll reports whether a storage with unusable settings makes the lookup in
// all other storages fail.
func (v version) oneBreaksAll() bool { return !v.since(4, 0, 0) }

// videosByNginx reports whether nginx sends MP4s; it must then be able to read
// them.
func (v version) videosByNginx() bool { return v.since(3, 10, 2) }

// tarsByNginx reports whether downloads have an X-Accel-Redirect instead of a body,
// and are limited to tarsPerHour.
func (v version) tarsByNginx() bool { return v.since(4, 10, 17) }

const tarsPerHour = 50

// Suffixes of replays below the session's date. The last one is in a folder of its
// own. The first, of JumpServer 1, is outside of the replay folder.
const (
	suffixLegacy = ".gz"
	suffixGuac   = ".replay.gz"
	suffixCast   = ".cast.gz"
	suffixMP4    = ".replay.mp4"
	suffixIndex  = ".replay.json"
)

// suffixes returns the suffixes that core searches, in this order.
func (v version) suffixes() []string {
	if v.hasParts() {
		return []string{suffixGuac, suffixCast, suffixMP4, suffixIndex}
	}
	return []string{suffixLegacy, suffixGuac, suffixCast, suffixMP4}
}

// expiring returns the extensions that clean-up deletes.
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
	taskLife           = 10 * time.Minute  // that a task is offered
	replayCache        = 600 * time.Second // that a response of GET …/replay/ is cached
)
