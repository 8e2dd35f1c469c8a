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

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// visibleWithin bounds the wait for an upload to show on the volume: NFS
// clients cache names and attributes for up to a minute.
const visibleWithin = 2 * time.Minute

// server is core's own storage: MP4s are uploaded through core's API and read
// back from the volume, without which it cannot be used.
type server struct{ *job }

func (d *server) place() string { return placeServer }

func (d *server) ready(context.Context) error {
	if d.ReplayDir == "" {
		return task.Failf(task.ClassVolume, "core keeps replays on its own volume and REPLAY_DIR is empty: there is no way to check that core has the MP4")
	}
	return nil
}

func (d *server) current(context.Context) (string, error) {
	file := abs(d.ReplayDir, d.final())
	_, err := os.Stat(file)
	return file, err
}

func (d *server) holds(ctx context.Context) (holding, error) {
	sum, _, err := hashFile(ctx, abs(d.ReplayDir, d.final()))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !d.onVolume() && d.journal.Uploaded == "":
		return holdsNothing, nil // a new JumpServer's replay folder is empty until this upload
	case errors.Is(err, fs.ErrNotExist):
		return holdsNothing, mustMount(d.ReplayDir)
	case err != nil:
		return holdsNothing, err
	case sum == d.journal.Video.SHA256:
		return holdsOurs, nil
	default:
		return holdsOther, nil
	}
}

func (d *server) put(ctx context.Context) (string, error) {
	// Core up to 4.7 would store ours under a random name beside a stale one.
	if err := d.retireStale(); err != nil {
		return "", err
	}
	answer, err := d.Core.UploadReplay(ctx, d.id, d.mp4(), coreapi.VersionMP4, coreapi.Progress(func(sent, total int64) {
		d.lease.Progress(float64(sent) / float64(max(total, 1)))
	}))
	return answer.URL, err
}

// retireStale moves an MP4 that is not ours, but where ours goes, to the trash.
// An agent that slept through its lease, or whose volume did, may find there
// what another has published meanwhile: the lease is asked for right before,
// and again afterwards, for the move itself may have taken its time.
func (d *server) retireStale() error {
	there, err := exists(abs(d.ReplayDir, d.final()))
	if err != nil || !there {
		return err
	}
	if err := d.note(); err != nil {
		return err
	}
	d.boundary("stale found")
	to, err := d.trash().Retire(d.final())
	if err != nil {
		return fmt.Errorf("move the stale MP4 away: %w", err)
	}
	if err := d.note(); err != nil {
		if back := d.trash().Restore(to); back != nil && !errors.Is(back, cleanup.ErrExists) {
			d.log.Error("an MP4 that may be another agent's could not be put back from the trash", "path", d.final(), "trash", to, "error", back)
		}
		return err
	}
	d.log.Info("moved a stale MP4 to the trash", "to", to)
	d.boundary("stale moved")
	return nil
}

// confirm reads the MP4 back from where core serves it and makes it look as
// core's web server and retention need it.
func (d *server) confirm(ctx context.Context) error {
	if err := d.claimCollision(ctx); err != nil {
		return err
	}
	if err := d.waitVisible(ctx); err != nil {
		return err
	}
	shadows, err := d.shadows()
	if err != nil {
		return err
	}
	if len(shadows) > 0 {
		return shadowed(shadows)
	}
	file := abs(d.ReplayDir, d.final())
	like := withTime{time: d.source.ModTime}
	if d.onVolume() {
		if like.FileInfo, err = os.Stat(d.original()); err != nil {
			return fmt.Errorf("the original: %w", err)
		}
	} else { // core's own owner and time are right
		if like.FileInfo, err = os.Stat(file); err != nil {
			return err
		}
		like.time = like.FileInfo.ModTime()
	}
	warning, err := takeOver(file, like)
	if err != nil {
		return err
	}
	if warning != "" {
		d.log.Warn(warning)
	}
	return nil
}

// shadowed is the failure of an MP4 that core would not serve.
func shadowed(by []string) error {
	return task.Failf(task.ClassShadowed, "core goes on serving %s, which is not what this MP4 was made from; the original stays",
		strings.Join(by, " and "))
}

// withTime is a file's owner with the recording's newest modification time.
type withTime struct {
	fs.FileInfo
	time time.Time
}

func (w withTime) ModTime() time.Time { return w.time }

// claimCollision puts our upload at the name that core serves when core
// stored it under a random name, because something stood there at the time.
func (d *server) claimCollision(ctx context.Context) error {
	base := path.Base(d.journal.Uploaded)
	name := recording.ParseName(path.Join(d.journal.Date, base))
	if d.journal.Uploaded == "" || name.Class != recording.ClassCollision || name.Session != d.id {
		return nil
	}
	from := path.Join(d.journal.Date, base)
	sum, _, err := hashFile(ctx, abs(d.ReplayDir, from))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // claimed by an earlier attempt, or not visible yet
	}
	if err != nil {
		return err
	}
	if sum != d.journal.Video.SHA256 {
		return task.Failf(task.ClassNotVisible, "core stored the upload as %s, with other content", from)
	}
	if state, err := d.holds(ctx); err != nil {
		return err
	} else if state == holdsOther {
		if err := d.retireStale(); err != nil {
			return err
		}
	}
	if err := d.note(); err != nil { // it may be another agent's turn
		return err
	}
	d.log.Info("core stored the upload beside another file; moving it to its name", "from", from)
	return os.Rename(abs(d.ReplayDir, from), abs(d.ReplayDir, d.final()))
}

// waitVisible waits until the MP4, byte for byte, is on the volume.
func (d *server) waitVisible(ctx context.Context) error {
	deadline := time.Now().Add(visibleWithin)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		state, err := d.holds(ctx)
		if err != nil {
			return err
		}
		if state == holdsOurs {
			return nil
		}
		if time.Now().After(deadline) {
			return task.Failf(task.ClassNotVisible, "core took the upload as %s, and it does not appear as %s on the volume: is REPLAY_DIR the replay folder of this core? does SERVER_REPLAY_STORAGE move it away?",
				d.journal.Uploaded, d.final())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// shadows lists what would make core serve something else than the MP4: the
// other names under which it looks for a replay of this session first.
func (d *server) shadows() ([]string, error) {
	var found []string
	for _, suffix := range []string{".replay.gz", ".cast.gz"} {
		rel := path.Join(d.journal.Date, d.id+suffix)
		there, err := exists(abs(d.ReplayDir, rel))
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", rel, err)
		}
		if there && rel != d.source.Path && !d.lateTwin(rel) {
			found = append(found, rel)
		}
	}
	return found, nil
}

// lateTwin tells whether a file that shadows the MP4 of an upload holds the
// very same recording: the client did not get our last answer, or a restarted
// Lion sent what it had kept, and put it into core's storage as well.
func (d *server) lateTwin(rel string) bool { return d.spooled() && d.isTwin(abs(d.ReplayDir, rel)) }

func (d *server) retire(context.Context) error {
	if d.onVolume() {
		return d.retireFromVolume()
	}
	flat, index := path.Join(d.journal.Date, d.id+".replay.gz"), path.Join(d.journal.Date, d.id, d.id+".replay.json")
	for entry, rel := range map[string]string{flat: flat, index: path.Dir(index)} {
		there, err := exists(abs(d.ReplayDir, entry))
		switch {
		case err != nil:
			return err
		case !there || !d.lateTwin(entry):
		case d.Originals == cleanup.PolicyKeep:
			d.log.Info("the upload is on the volume, too, and stays there, as ORIGINALS=keep says; core may go on serving it", "path", rel)
		default:
			if err := d.retireOne(rel); err != nil {
				return err
			}
		}
	}
	return d.note()
}

func (d *server) putOriginal(ctx context.Context, file string, part bool) error {
	version := coreapi.VersionGuacamole
	if part {
		version = coreapi.VersionPart
	}
	_, err := d.Core.UploadReplay(ctx, d.id, file, version)
	return err
}
