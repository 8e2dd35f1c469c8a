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

// visibleWithin limits the wait for an upload to appear on the volume. Over NFS it
// appears at once, see refresh; other file systems cache names for a while.
const visibleWithin = 2 * time.Minute

// Core is core's own storage: MP4s are uploaded through core's API and read back
// from the volume. Without a volume, [Unseen] is used.
type Core struct {
	Client    *coreapi.Client
	ReplayDir string         // core's replay folder as mounted here
	Look      func() error   // returns why the volume is away, nil if it is there
	Originals cleanup.Policy // what happens to originals
}

func (c Core) volume() volume { return volume{root: c.ReplayDir, look: c.Look, originals: c.Originals} }

// Place implements [Destination].
func (c Core) Place() string { return PlaceCore }

// Visible implements [Destination].
func (c Core) Visible() bool { return true }

// Ready implements [Destination].
func (c Core) Ready(context.Context, Delivery) error { return c.volume().mustBeThere() }

// Current implements [Destination].
func (c Core) Current(_ context.Context, d Delivery) (string, error) {
	refresh(c.ReplayDir, d.rel())
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

// look opens the file that has the MP4's name, and returns what it is. The file is
// nil if it does not exist.
func (c Core) look(ctx context.Context, d Delivery) (*os.File, Holding, error) {
	refresh(c.ReplayDir, d.rel())
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
	// If a stale MP4 existed, core up to 4.7 would store ours beside it under a
	// random name.
	if err := c.retireStale(ctx, d); err != nil {
		return "", err
	}
	answer, err := c.Client.UploadReplay(ctx, d.Session, d.File, coreapi.VersionMP4, coreapi.Progress(d.Progress))
	return answer.URL, err
}

// retireStale moves another MP4 that has the name of ours to the trash. If this
// agent, or its volume, was suspended longer than its lease, that may be an MP4
// that another agent has published meanwhile. So the lease is checked directly
// before the move, and again afterwards, because the move itself may take long.
func (c Core) retireStale(ctx context.Context, d Delivery) error {
	file := abs(c.ReplayDir, d.rel())
	refresh(c.ReplayDir, d.rel())
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

// Confirm implements [Destination]. It reads the MP4 back from where core serves
// it, and sets mode, owner and time as core's web server and retention need them.
// It changes exactly the file that it has read, whatever has its name meanwhile.
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
	return c.takeOver(d, f)
}

// takeOver gives an open MP4 on the volume owner, mode and time of its original.
func (c Core) takeOver(d Delivery, f *os.File) error {
	is, err := f.Stat()
	if err != nil {
		return err
	}
	like := likeness{owner: is, time: is.ModTime()} // for an upload, core's own owner and time are right
	if d.Source.OnVolume() {
		like.time = d.Source.ModTime
		original, err := os.Lstat(abs(c.ReplayDir, d.Original()))
		switch {
		case err == nil:
			like.owner = original
		case !errors.Is(err, fs.ErrNotExist): // otherwise it was removed, not by this agent
			return fmt.Errorf("the original: %w", err)
		}
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

// shadowed returns the failure for an MP4 that core would not serve.
func shadowed(by []string) error {
	return task.Failf(task.ClassShadowed, "core still serves %s, which is not the recording of this MP4; the original stays",
		strings.Join(by, " and "))
}

// claimCollision renames our upload to the name that core serves, if core stored it
// under a random name because that name was taken at the time.
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
	refresh(c.ReplayDir, from)
	sum, _, err := HashFile(ctx, abs(c.ReplayDir, from))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // renamed by an earlier attempt, or not visible yet
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
	if err := d.Fence(); err != nil { // another agent may have the lease now
		return err
	}
	d.Log.Info("core stored the upload beside another file; moving it to its name", "from", from)
	return os.Rename(abs(c.ReplayDir, from), abs(c.ReplayDir, d.rel()))
}

// waitVisible waits until the complete MP4 is on the volume, and returns it opened.
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
			return nil, task.Failf(task.ClassNotVisible, "core stored the upload as %s, but it does not appear as %s on the volume: check that REPLAY_DIR is the replay folder of this core, and that SERVER_REPLAY_STORAGE does not move it away",
				d.Address, d.rel())
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// shadows lists the files because of which core would not serve the MP4: those with
// names that core prefers for a replay of this session.
func (c Core) shadows(ctx context.Context, d Delivery) ([]string, error) {
	refresh(c.ReplayDir, d.rel())
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
	return found, context.Cause(ctx) // an interrupted comparison proves nothing
}

// lateTwin reports whether a file that shadows the MP4 of an upload holds the same
// recording. The client may not have received our last response, or a restarted
// Lion may have uploaded the recording to core's storage as well.
func (c Core) lateTwin(ctx context.Context, d Delivery, rel string) bool {
	return d.Source.Spooled() && d.SameRecording(ctx, abs(c.ReplayDir, rel))
}

// Retire implements [Destination].
func (c Core) Retire(ctx context.Context, d Delivery) (moved []string, err error) {
	v := c.volume()
	if d.Source.OnVolume() {
		if err := c.takeOverAgain(d); err != nil {
			return nil, err
		}
		return v.retireOriginal(d)
	}
	for _, rel := range []string{path.Join(d.Date, d.Session+".replay.gz"), path.Join(d.Date, d.Session, d.Session+".replay.json")} {
		refresh(c.ReplayDir, rel)
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
			d.Log.Info("the upload is also on the volume and stays there because of ORIGINALS=keep; core may still serve it", "path", rel)
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

// takeOverAgain repeats what was not permitted when the MP4 was confirmed, if its
// original still exists.
func (c Core) takeOverAgain(d Delivery) error {
	if there, err := Exists(abs(c.ReplayDir, d.Original())); err != nil || !there {
		return err
	}
	f, err := openFile(abs(c.ReplayDir, d.rel()))
	if err != nil {
		return err
	}
	defer f.Close()
	return c.takeOver(d, f)
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
