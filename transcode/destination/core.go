package destination

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

// Core is core's own storage: MP4s are uploaded through core's API and read
// back from the volume, without which it cannot be used.
type Core struct {
	Client    *coreapi.Client
	ReplayDir string         // core's replay folder as mounted here; "" = none
	Originals cleanup.Policy // what becomes of originals
}

func (c Core) volume() volume { return volume{root: c.ReplayDir, originals: c.Originals} }

// Place implements [Destination].
func (c Core) Place() string { return PlaceCore }

// Ready implements [Destination].
func (c Core) Ready(context.Context, Delivery) error {
	if c.ReplayDir == "" {
		return task.Failf(task.ClassVolume, "core keeps replays on its own volume and REPLAY_DIR is empty: there is no way to check that core has the MP4")
	}
	return nil
}

// Current implements [Destination].
func (c Core) Current(_ context.Context, d Delivery) (string, error) {
	f, err := openFile(abs(c.ReplayDir, d.rel()))
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// Holds implements [Destination].
func (c Core) Holds(ctx context.Context, d Delivery) (Holding, error) {
	f, holding, err := c.look(ctx, d)
	if f != nil {
		f.Close()
	}
	return holding, err
}

// look returns what is at the MP4's name, open, and what that is. The file is
// nil if there is none.
func (c Core) look(ctx context.Context, d Delivery) (*os.File, Holding, error) {
	f, err := openFile(abs(c.ReplayDir, d.rel()))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !d.Source.OnVolume() && d.Address == "":
		return nil, HoldsNothing, nil // a new JumpServer's replay folder is empty until this upload
	case errors.Is(err, fs.ErrNotExist):
		return nil, HoldsNothing, MustMount(c.ReplayDir)
	case err != nil:
		return nil, HoldsNothing, err
	}
	sum, _, err := hashOpen(ctx, f)
	if err != nil {
		f.Close()
		return nil, HoldsNothing, err
	}
	if sum == d.Video.SHA256 {
		return f, HoldsOurs, nil
	}
	return f, HoldsOther, nil
}

// Put implements [Destination].
func (c Core) Put(ctx context.Context, d Delivery) (string, error) {
	// Core up to 4.7 would store ours under a random name beside a stale one.
	if err := c.retireStale(ctx, d); err != nil {
		return "", err
	}
	answer, err := c.Client.UploadReplay(ctx, d.Session, d.File, coreapi.VersionMP4, coreapi.Progress(d.Progress))
	return answer.URL, err
}

// retireStale moves an MP4 that is not ours, but where ours goes, to the trash.
// An agent that slept through its lease, or whose volume did, may find there
// what another has published meanwhile: the lease is asked for right before,
// and again afterwards, for the move itself may have taken its time.
func (c Core) retireStale(ctx context.Context, d Delivery) error {
	file := abs(c.ReplayDir, d.rel())
	f, err := openFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	sum, size, err := hashOpen(ctx, f)
	if err != nil {
		return err
	}
	trash := c.volume().trashFor(ctx, d, file)
	if err := d.Fence(); err != nil {
		return err
	}
	d.Boundary("stale found")
	to, err := trash.RetireFile(d.rel(), st)
	if err != nil {
		return fmt.Errorf("move the stale MP4 away: %w", err)
	}
	if err := d.Fence(); err != nil {
		if back := trash.Restore(to); back != nil && !errors.Is(back, cleanup.ErrExists) {
			d.Log.Error("an MP4 that may be another agent's could not be put back from the trash", "path", d.rel(), "trash", to, "error", back)
		}
		return err
	}
	d.Log.Info("moved a stale MP4 to the trash", "to", to)
	d.Boundary("stale moved")
	return d.Aside(d.rel(), sum, size, to)
}

// Confirm implements [Destination]. It reads the MP4 back from where core
// serves it and makes it look as core's web server and retention need it. What
// is read is what is changed, whatever has its name meanwhile.
func (c Core) Confirm(ctx context.Context, d Delivery) error {
	if err := c.claimCollision(ctx, d); err != nil {
		return err
	}
	f, err := c.waitVisible(ctx, d)
	if err != nil {
		return err
	}
	defer f.Close()
	shadows, err := c.shadows(ctx, d)
	if err != nil {
		return err
	}
	if len(shadows) > 0 {
		return shadowed(shadows)
	}
	like := likeness{time: d.Source.ModTime}
	if d.Source.OnVolume() {
		if like.owner, err = os.Lstat(abs(c.ReplayDir, d.Source.Path)); err != nil {
			return fmt.Errorf("the original: %w", err)
		}
	} else { // core's own owner and time are right
		if like.owner, err = f.Stat(); err != nil {
			return err
		}
		like.time = like.owner.ModTime()
	}
	warning, err := takeOver(f, like)
	if err != nil {
		return err
	}
	if warning != "" {
		d.Log.Warn(warning)
	}
	return nil
}

// shadowed is the failure of an MP4 that core would not serve.
func shadowed(by []string) error {
	return task.Failf(task.ClassShadowed, "core goes on serving %s, which is not what this MP4 was made from; the original stays",
		strings.Join(by, " and "))
}

// claimCollision puts our upload at the name that core serves when core
// stored it under a random name, because something stood there at the time.
func (c Core) claimCollision(ctx context.Context, d Delivery) error {
	base := path.Base(d.Address)
	name := recording.ParseName(path.Join(d.Date, base))
	if d.Address == "" || name.Class != recording.ClassCollision || name.Session != d.Session {
		return nil
	}
	from := path.Join(d.Date, base)
	if err := d.mustOwn(from); err != nil {
		return err
	}
	sum, _, err := HashFile(ctx, abs(c.ReplayDir, from))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // claimed by an earlier attempt, or not visible yet
	}
	if err != nil {
		return err
	}
	if sum != d.Video.SHA256 {
		return task.Failf(task.ClassNotVisible, "core stored the upload as %s, with other content", from)
	}
	if state, err := c.Holds(ctx, d); err != nil {
		return err
	} else if state == HoldsOther {
		if err := c.retireStale(ctx, d); err != nil {
			return err
		}
	}
	if err := d.Fence(); err != nil { // it may be another agent's turn
		return err
	}
	d.Log.Info("core stored the upload beside another file; moving it to its name", "from", from)
	return os.Rename(abs(c.ReplayDir, from), abs(c.ReplayDir, d.rel()))
}

// waitVisible waits until the MP4, byte for byte, is on the volume, and returns
// it open.
func (c Core) waitVisible(ctx context.Context, d Delivery) (*os.File, error) {
	deadline := time.Now().Add(visibleWithin)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		f, state, err := c.look(ctx, d)
		if err != nil {
			return nil, err
		}
		if state == HoldsOurs {
			return f, nil
		}
		if f != nil {
			f.Close()
		}
		if time.Now().After(deadline) {
			return nil, task.Failf(task.ClassNotVisible, "core took the upload as %s, and it does not appear as %s on the volume: is REPLAY_DIR the replay folder of this core? does SERVER_REPLAY_STORAGE move it away?",
				d.Address, d.rel())
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// shadows lists what would make core serve something else than the MP4: the
// other names under which it looks for a replay of this session first.
func (c Core) shadows(ctx context.Context, d Delivery) ([]string, error) {
	var found []string
	for _, suffix := range []string{".replay.gz", ".cast.gz"} {
		rel := path.Join(d.Date, d.Session+suffix)
		there, err := Exists(abs(c.ReplayDir, rel))
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", rel, err)
		}
		if there && rel != d.Source.Path && !c.lateTwin(ctx, d, rel) {
			found = append(found, rel)
		}
	}
	return found, context.Cause(ctx) // a comparison that was cut short proves nothing
}

// lateTwin reports whether a file that shadows the MP4 of an upload holds the
// very same recording: the client did not get our last answer, or a restarted
// Lion sent what it had kept, and put it into core's storage as well.
func (c Core) lateTwin(ctx context.Context, d Delivery, rel string) bool {
	return d.Source.Spooled() && d.SameRecording(ctx, abs(c.ReplayDir, rel))
}

// Retire implements [Destination].
func (c Core) Retire(ctx context.Context, d Delivery) (moved []string, err error) {
	v := c.volume()
	if d.Source.OnVolume() {
		return v.retireOriginal(d)
	}
	for _, rel := range []string{path.Join(d.Date, d.Session+".replay.gz"), path.Join(d.Date, d.Session, d.Session+".replay.json")} {
		there, err := Exists(abs(c.ReplayDir, rel))
		if err != nil {
			return moved, err
		}
		if !there || !c.lateTwin(ctx, d, rel) {
			if err := context.Cause(ctx); err != nil {
				return moved, err
			}
			continue
		}
		if c.Originals == cleanup.PolicyKeep {
			d.Log.Info("the upload is on the volume, too, and stays there, as ORIGINALS=keep says; core may go on serving it", "path", rel)
			continue
		}
		files, err := sameFiles(c.ReplayDir, rel)
		if err != nil {
			return moved, err
		}
		to, err := v.retireCopies(d, files)
		moved = append(moved, to...)
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// PutOriginal implements [Destination].
func (c Core) PutOriginal(ctx context.Context, d Delivery, file string, part bool) error {
	version := coreapi.VersionGuacamole
	if part {
		version = coreapi.VersionPart
	}
	_, err := c.Client.UploadReplay(ctx, d.Session, file, version, nil)
	return err
}
