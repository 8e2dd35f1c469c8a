package transcode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"jumpserver-video/cleanup"
	"jumpserver-video/coreapi"
	"jumpserver-video/transcode/queue"
	"jumpserver-video/watcher/recording"
)

// visibleWithin bounds the wait for an upload to show on the volume: NFS
// clients cache names and attributes for up to a minute.
const visibleWithin = 2 * time.Minute

// trash is where originals and stale videos go.
func (j *job) trash() cleanup.Trash { return cleanup.Trash{Root: j.ReplayDir} }

// upload hands the MP4 to core, unless core has it.
func (j *job) upload(ctx context.Context) error {
	if j.journal.Confirmed || j.journal.Reconciled {
		return nil
	}
	if err := j.enter(queue.StateUploading); err != nil {
		return err
	}
	state, err := j.inPlace(ctx)
	if err != nil {
		return err
	}
	if err := j.event(ctx, coreapi.UploadStart, ""); err != nil {
		return err
	}
	if state == placeOurs {
		j.log.Info("core has the MP4 already")
		return nil
	}
	if state == placeOther {
		// Core up to 4.7 would store ours under a random name beside it.
		to, err := j.trash().Retire(j.final())
		if err != nil {
			return fmt.Errorf("move the stale MP4 away: %w", err)
		}
		j.log.Info("moved a stale MP4 to the trash", "to", to)
		j.boundary("stale moved")
	}
	answer, err := j.Core.UploadReplay(ctx, j.id, j.mp4(), coreapi.VersionMP4)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	j.boundary("uploaded")
	j.journal.Uploaded = answer.URL
	j.log.Info("uploaded", "url", answer.URL)
	return j.note()
}

type place int

const (
	placeEmpty place = iota // nothing at the MP4's name
	placeOurs               // the journal's MP4
	placeOther              // something else
)

// inPlace tells what is at the name from which core serves the MP4.
func (j *job) inPlace(ctx context.Context) (place, error) {
	sum, _, err := hashFile(ctx, abs(j.ReplayDir, j.final()))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return placeEmpty, mustMount(j.ReplayDir)
	case err != nil:
		return placeEmpty, err
	case sum == j.journal.Video.SHA256:
		return placeOurs, nil
	default:
		return placeOther, nil
	}
}

// confirm reads the MP4 back from where core serves it and makes it look as
// core's web server and retention need it.
func (j *job) confirm(ctx context.Context) error {
	if j.journal.Confirmed {
		return nil
	}
	if err := j.enter(queue.StateConfirming); err != nil {
		return err
	}
	if err := j.claimCollision(ctx); err != nil {
		return err
	}
	if err := j.waitVisible(ctx); err != nil {
		return err
	}
	shadows, err := j.shadows()
	if err != nil {
		return err
	}
	if len(shadows) > 0 {
		return failure(ClassShadowed, fails, "core goes on serving %s, which is not what this MP4 was made from; the original stays",
			strings.Join(shadows, " and "))
	}
	like := withTime{time: j.source.ModTime}
	if like.FileInfo, err = os.Stat(j.original()); err != nil {
		return fmt.Errorf("the original: %w", err)
	}
	if j.spooled() { // core's own owner and time are right
		if like.FileInfo, err = os.Stat(abs(j.ReplayDir, j.final())); err != nil {
			return err
		}
		like.time = like.FileInfo.ModTime()
	}
	warning, err := takeOver(abs(j.ReplayDir, j.final()), like)
	if err != nil {
		return err
	}
	if warning != "" {
		j.log.Warn(warning)
	}
	j.journal.Confirmed = true
	return j.note()
}

// withTime is a file's owner with the recording's newest modification time.
type withTime struct {
	fs.FileInfo
	time time.Time
}

func (w withTime) ModTime() time.Time { return w.time }

// claimCollision puts our upload at the name that core serves when core
// stored it under a random name, because something stood there at the time.
func (j *job) claimCollision(ctx context.Context) error {
	base := path.Base(j.journal.Uploaded)
	name := recording.ParseName(path.Join(j.journal.Date, base))
	if j.journal.Uploaded == "" || name.Class != recording.ClassCollision || name.Session != j.id {
		return nil
	}
	from := path.Join(j.journal.Date, base)
	sum, _, err := hashFile(ctx, abs(j.ReplayDir, from))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // claimed by an earlier attempt, or not visible yet
	}
	if err != nil {
		return err
	}
	if sum != j.journal.Video.SHA256 {
		return failure(ClassNotVisible, retries, "core stored the upload as %s, with other content", from)
	}
	if state, err := j.inPlace(ctx); err != nil {
		return err
	} else if state == placeOther {
		if _, err := j.trash().Retire(j.final()); err != nil {
			return fmt.Errorf("move the stale MP4 away: %w", err)
		}
	}
	j.log.Info("core stored the upload beside another file; moving it to its name", "from", from)
	return os.Rename(abs(j.ReplayDir, from), abs(j.ReplayDir, j.final()))
}

// waitVisible waits until the MP4, byte for byte, is on the volume.
func (j *job) waitVisible(ctx context.Context) error {
	deadline := time.Now().Add(visibleWithin)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		state, err := j.inPlace(ctx)
		if err != nil {
			return err
		}
		if state == placeOurs {
			return nil
		}
		if time.Now().After(deadline) {
			return failure(ClassNotVisible, retries,
				"core took the upload as %s, and it does not appear as %s on the volume: is REPLAY_DIR the replay folder of this core? does SERVER_REPLAY_STORAGE move it away?",
				j.journal.Uploaded, j.final())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// retire takes the original out of the way, as the policy says.
func (j *job) retire(ctx context.Context) error {
	if err := j.enter(queue.StateRetiring); err != nil {
		return err
	}
	if state, err := j.inPlace(ctx); err != nil {
		return err
	} else if state != placeOurs {
		j.journal.Confirmed = false
		return failure(ClassNotVisible, retries, "the MP4 is not in place any more; the original stays")
	}
	if j.spooled() {
		return j.retireTwins()
	}
	if j.Originals == cleanup.PolicyKeep {
		j.log.Info("the original stays, as ORIGINALS=keep says; core may go on serving it", "path", j.source.Path)
		return nil
	}
	rec, err := recording.Open(j.original())
	switch {
	case errors.Is(err, fs.ErrNotExist): // retired by an earlier attempt
	case err != nil:
		return err
	case j.sourceOf(rec).Fingerprint() != j.source.Fingerprint():
		j.source = j.sourceOf(rec)
		return failure(ClassChanged, settles, "the recording changed while it was converted; it stays and is converted again")
	}
	for _, rel := range j.retirees() {
		if err := j.retireOne(rel); err != nil {
			return err
		}
		j.boundary("retired " + path.Base(rel))
	}
	return j.note()
}

// retirees lists what goes: the recording, and the downloads that core made
// from it and would hand out again.
func (j *job) retirees() []string {
	tar := path.Join(j.journal.Date, j.id+".tar")
	if recording.ParseName(j.source.Path).Class == recording.ClassIndex {
		return []string{path.Dir(j.source.Path), tar}
	}
	return []string{j.source.Path, tar}
}

func (j *job) retireOne(rel string) error {
	there, err := exists(abs(j.ReplayDir, rel))
	if err != nil || !there {
		return err
	}
	if j.Originals == cleanup.PolicyDelete {
		if err := cleanup.Delete(j.ReplayDir, rel); err != nil {
			return err
		}
		j.log.Info("deleted the original", "path", rel)
		return nil
	}
	to, err := j.trash().Retire(rel)
	if err != nil {
		return err
	}
	j.journal.Retired = append(j.journal.Retired, to)
	j.log.Info("moved the original to the trash", "path", rel, "to", to)
	return nil
}

// finish tells core that the session has a replay.
func (j *job) finish(ctx context.Context) error {
	if !j.journal.Marked {
		if err := j.Core.MarkReplay(ctx, j.id, j.journal.Video.Size); err != nil {
			return fmt.Errorf("mark the session: %w", err)
		}
		j.journal.Marked = true
		if err := j.note(); err != nil {
			return err
		}
		j.boundary("marked")
	}
	if !j.journal.Reconciled {
		if err := j.event(ctx, coreapi.UploadSuccess, ""); err != nil {
			return err
		}
	}
	j.endSpool()
	if err := os.RemoveAll(j.work()); err != nil {
		j.log.Warn("the work folder stays behind until the next clean-up", "error", err)
	}
	j.boundary("finished")
	j.log.Info("done", "mp4", j.final(), "saved_percent", savedPercent(j.source.Size, j.journal.Video.Size))
	return nil
}
