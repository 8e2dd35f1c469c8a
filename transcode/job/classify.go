package job

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

// classify returns the class and the verdict of an error of a step.
func classify(err error) (task.Class, task.Verdict) {
	var step *task.Failure
	if errors.As(err, &step) {
		return step.Class, step.Verdict
	}
	class := classOf(err)
	return class, task.ReasonOf(class).Verdict
}

// classOf returns the class of an error that is not a [task.Failure].
func classOf(err error) task.Class {
	var kind *recording.KindError
	var missing *recording.MissingPartError
	var noIndex *recording.NoIndexError
	var screen *guac.ScreenError
	var verify *video.VerifyError
	var bucket *storage.Error
	var changed *task.ChangedError
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.As(err, &changed):
		return task.ClassChanged
	case errors.As(err, &bucket):
		return classifyStorage(bucket)
	case is(destination.ErrNullStorage):
		return task.ClassNullStorage
	case is(destination.ErrStorageUnknown):
		return task.ClassCore

	case errors.As(err, &kind):
		return task.ClassKind
	case errors.As(err, &missing), errors.As(err, &noIndex), is(render.ErrCut):
		return task.ClassIncomplete
	case errors.As(err, &screen):
		return task.ClassScreen
	case is(guac.ErrNothingDrawn):
		return task.ClassNothingDrawn
	case is(guac.ErrTooCostly):
		return task.ClassTooCostly
	case is(guac.ErrNotGuacamole, guac.ErrEmpty, regular.ErrNotRegular):
		return task.ClassUndecodable
	case errors.As(err, &verify):
		return task.ClassVerify
	case is(video.ErrNoFFmpeg):
		return task.ClassFFmpeg

	case is(coreapi.ErrNotFound):
		return task.ClassSession
	case is(coreapi.ErrUnauthorized, coreapi.ErrForbidden):
		return task.ClassCredentials
	case is(coreapi.ErrCoreStorage):
		return task.ClassCoreStorage
	case is(coreapi.ErrUnavailable, coreapi.ErrAmbiguous, coreapi.ErrProtocol, coreapi.ErrRedirected, coreapi.ErrCertificate):
		return task.ClassCore
	case is(coreapi.ErrTooLarge):
		return task.ClassTooLarge
	case is(coreapi.ErrBadForm):
		return task.ClassCoreRefused

	case is(syscall.ENOSPC, syscall.EDQUOT):
		return task.ClassDiskFull
	case is(syscall.EROFS):
		return task.ClassReadOnly
	case is(syscall.ESTALE, syscall.EIO, syscall.ENOTCONN, syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.ENODEV):
		return task.ClassVolume
	case is(fs.ErrPermission):
		return task.ClassPermission
	case is(context.DeadlineExceeded):
		return task.ClassVolume
	default:
		return task.ClassInternal
	}
}

// storageClasses has the class of each kind of storage errors.
var storageClasses = []struct {
	kind  error
	class task.Class
}{
	{storage.ErrNotFound, task.ClassNotVisible},
	{storage.ErrNoBucket, task.ClassStorageSettings},
	{storage.ErrConfig, task.ClassStorageSettings},
	{storage.ErrRegion, task.ClassStorageSettings},
	{storage.ErrCertificate, task.ClassStorageSettings},
	{storage.ErrCredentials, task.ClassStorageKeys},
	{storage.ErrForbidden, task.ClassStorageKeys},
	{storage.ErrClock, task.ClassStorageKeys},
	{storage.ErrFull, task.ClassStorageFull},
	{storage.ErrUnavailable, task.ClassStorage},
	{storage.ErrDamaged, task.ClassStorageDamaged},
	{storage.ErrArchived, task.ClassArchived},
}

// classifyStorage returns the class of an error of a replay storage.
func classifyStorage(err *storage.Error) task.Class {
	for _, c := range storageClasses {
		if errors.Is(err.Kind, c.kind) {
			return c.class
		}
	}
	return task.ClassStorageRefused
}
