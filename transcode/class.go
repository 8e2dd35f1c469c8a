package transcode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Reason classes: what is wrong, in one word that `tasks retry` accepts.
const (
	ClassCore          queue.Class = "core_unavailable"
	ClassCoreRefused   queue.Class = "core_refused"
	ClassCredentials   queue.Class = "core_credentials"
	ClassCoreStorage   queue.Class = "core_storage"
	ClassTooLarge      queue.Class = "too_large"
	ClassVolume        queue.Class = "volume_unavailable"
	ClassDiskFull      queue.Class = "disk_full"
	ClassReadOnly      queue.Class = "read_only"
	ClassPermission    queue.Class = "permission"
	ClassFFmpeg        queue.Class = "ffmpeg_missing"
	ClassEncoder       queue.Class = "encoder"
	ClassVerify        queue.Class = "verification"
	ClassNotVisible    queue.Class = "not_visible"
	ClassShadowed      queue.Class = "shadowed"
	ClassUndecodable   queue.Class = "undecodable"
	ClassNothingDrawn  queue.Class = "nothing_drawn"
	ClassIncomplete    queue.Class = "incomplete"
	ClassDiffers       queue.Class = "differs"
	ClassTooSmall      queue.Class = "too_small"
	ClassKind          queue.Class = "not_guacamole"
	ClassSession       queue.Class = "session_unknown"
	ClassSessionActive queue.Class = "session_active"
	ClassNotGraphical  queue.Class = "not_graphical"
	ClassMisplaced     queue.Class = "misplaced"
	ClassGone          queue.Class = "source_gone"
	ClassChanged       queue.Class = "source_changed"
	// Of replay storages that are buckets.
	ClassStorage         queue.Class = "storage_unavailable"
	ClassStorageKeys     queue.Class = "storage_credentials"
	ClassStorageSettings queue.Class = "storage_settings"
	ClassStorageFull     queue.Class = "storage_full"
	ClassStorageDamaged  queue.Class = "storage_damaged"
	ClassStorageRefused  queue.Class = "storage_refused"
	ClassStorageChanged  queue.Class = "storage_changed"
	ClassArchived        queue.Class = "archived"
	ClassNullStorage     queue.Class = "null_storage"
	ClassCrash           queue.Class = "crash"
	ClassInternal        queue.Class = "internal"
)

// verdict says what a failure means for the task.
type verdict int

const (
	waits   verdict = iota // the environment is at fault: try for ever, ever more rarely
	retries                // may be the recording's fault: a few times
	fails                  // will not get better by trying
	skips                  // not ours to convert: leave alone
	settles                // too early
)

// stepError is a failure that knows its class and verdict.
type stepError struct {
	class   queue.Class
	verdict verdict
	err     error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

func failure(class queue.Class, v verdict, format string, args ...any) error {
	return &stepError{class, v, fmt.Errorf(format, args...)}
}

// classify finds class and verdict of any error that a step may return.
func classify(err error) (queue.Class, verdict) {
	var step *stepError
	var kind *recording.KindError
	var missing *recording.MissingPartError
	var syntax *guac.SyntaxError
	var verify *video.VerifyError
	var bucket *storage.Error
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.As(err, &step):
		return step.class, step.verdict

	case errors.As(err, &bucket):
		return classifyStorage(bucket)
	case is(ErrNullStorage):
		return ClassNullStorage, skips
	case is(ErrStorageUnknown):
		return ClassCore, waits

	case errors.As(err, &kind):
		return ClassKind, skips
	case errors.As(err, &missing), is(render.ErrCut):
		return ClassIncomplete, settles
	case is(guac.ErrNothingDrawn):
		return ClassNothingDrawn, fails
	case is(guac.ErrNotGuacamole, guac.ErrEmpty), errors.As(err, &syntax):
		return ClassUndecodable, fails
	case errors.As(err, &verify):
		return ClassVerify, retries
	case is(video.ErrNoFFmpeg):
		return ClassFFmpeg, waits

	case is(coreapi.ErrNotFound):
		return ClassSession, skips
	case is(coreapi.ErrUnauthorized, coreapi.ErrForbidden):
		return ClassCredentials, waits
	case is(coreapi.ErrCoreStorage):
		return ClassCoreStorage, waits
	case is(coreapi.ErrUnavailable, coreapi.ErrAmbiguous, coreapi.ErrProtocol, coreapi.ErrRedirected, coreapi.ErrCertificate):
		return ClassCore, waits
	case is(coreapi.ErrTooLarge):
		return ClassTooLarge, fails
	case is(coreapi.ErrBadForm):
		return ClassCoreRefused, fails

	case is(syscall.ENOSPC, syscall.EDQUOT):
		return ClassDiskFull, waits
	case is(syscall.EROFS):
		return ClassReadOnly, waits
	case is(syscall.ESTALE, syscall.EIO, syscall.ENOTCONN, syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.ENODEV):
		return ClassVolume, waits
	case is(fs.ErrPermission):
		return ClassPermission, waits
	case is(context.DeadlineExceeded):
		return ClassVolume, waits
	default:
		return ClassInternal, retries
	}
}

// storageClasses are classes and verdicts of the kinds of storage errors.
var storageClasses = []struct {
	kind error
	queue.Class
	verdict
}{
	{storage.ErrNotFound, ClassNotVisible, retries},
	{storage.ErrNoBucket, ClassStorageSettings, waits},
	{storage.ErrConfig, ClassStorageSettings, waits},
	{storage.ErrRegion, ClassStorageSettings, waits},
	{storage.ErrCertificate, ClassStorageSettings, waits},
	{storage.ErrCredentials, ClassStorageKeys, waits},
	{storage.ErrForbidden, ClassStorageKeys, waits},
	{storage.ErrClock, ClassStorageKeys, waits},
	{storage.ErrFull, ClassStorageFull, waits},
	{storage.ErrUnavailable, ClassStorage, waits},
	{storage.ErrDamaged, ClassStorageDamaged, retries},
	{storage.ErrArchived, ClassArchived, skips},
}

// classifyStorage is classify for the errors of replay storages.
func classifyStorage(err *storage.Error) (queue.Class, verdict) {
	for _, c := range storageClasses {
		if errors.Is(err.Kind, c.kind) {
			return c.Class, c.verdict
		}
	}
	return ClassStorageRefused, retries
}
