package transcode

import (
	"context"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// place is where a job's MP4 goes: core's own storage or a bucket, as
// core's settings say. There is one per job; what it needs to know of the
// work so far is in the journal. All methods may be repeated, also by another
// process after a crash.
type place interface {
	// place names it, in the journal and for people.
	place() string
	// ready fails when nothing could be published now. It is asked before a
	// recording is rendered, not after.
	ready(ctx context.Context) error
	// current is a file with the MP4 that is at its name now, for a look at
	// it, or fs.ErrNotExist.
	current(ctx context.Context) (path string, err error)
	// holds tells what is at the MP4's name, as compared with the journal's.
	holds(ctx context.Context) (holding, error)
	// put publishes the job's MP4 in place of what is there, which is kept in
	// the trash, and answers its address.
	put(ctx context.Context) (url string, err error)
	// confirm proves that the MP4 is in place, byte for byte, and that nothing
	// but what retire takes away keeps core from serving it.
	confirm(ctx context.Context) error
	// retire takes away, as the policy says, the original and whatever else
	// core would serve in place of the MP4, and notes where it went.
	retire(ctx context.Context) error
	// putOriginal stores a file of the recording itself for JumpServer's own
	// player: a part or the index of a recording in parts under its name, or
	// else the whole recording.
	putOriginal(ctx context.Context, file string, part bool) error
}

// holding is what is at the name from which core serves the MP4.
type holding int

const (
	holdsNothing holding = iota
	holdsOurs            // the journal's MP4
	holdsOther           // something else
)

// placeServer is the place of core's own storage.
const placeServer = "server"

// locate finds out where the MP4 goes: core's settings may change while a
// task is under way.
func (j *job) locate(context.Context) error {
	var bucket storage.Storage
	if j.Storage != nil {
		var err error
		if bucket, err = j.Storage(); err != nil {
			return err
		}
	}
	if bucket == nil {
		j.dest = &server{j}
	} else {
		j.dest = &remote{j, bucket}
	}
	if b := j.source.Bucket; b != nil && b.Place != j.dest.place() {
		return task.Failf(task.ClassStorageChanged, "the recording is in %s, and core's replay storage is now %s", b.Place, j.dest.place())
	}
	was := j.journal.Place
	if j.journal.Place = j.dest.place(); was == "" || was == j.journal.Place {
		return nil
	}
	if gone, err := j.originalGone(); err != nil {
		return err
	} else if gone {
		// It has gone because the MP4 is in place. Core looks into every
		// storage that it is set up with, this one or that.
		j.log.Warn("core's replay storage has changed; the MP4 stays where it is", "mp4", was, "storage", j.journal.Place)
		j.journal.Place, j.moved = was, true
		return nil
	}
	j.log.Info("core's replay storage has changed", "was", was, "storage", j.journal.Place)
	j.journal.Uploaded, j.journal.Confirmed, j.journal.Stored = "", false, nil
	j.journal.Reconciled, j.journal.Retiring = false, false
	return nil
}

// originalGone tells whether an earlier attempt has taken the original away.
func (j *job) originalGone() (bool, error) {
	if !j.journal.Retiring {
		return false, nil
	}
	there, err := exists(j.original())
	if err == nil && !there && j.onVolume() {
		err = mustMount(j.ReplayDir)
	}
	return !there, err
}
