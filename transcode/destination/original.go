package destination

import (
	"errors"
	"io/fs"
	"path"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// volume is core's replay folder as mounted here, and what becomes of the
// originals in it.
type volume struct {
	root      string
	originals cleanup.Policy
}

// trash is where originals and stale videos on the volume go.
func (v volume) trash() cleanup.Trash { return cleanup.Trash{Root: v.root} }

// retireOriginal takes away the recording on the volume that the MP4 was made
// from, as the policy says, and returns where it went.
func (v volume) retireOriginal(d Delivery) (moved []string, err error) {
	if v.originals == cleanup.PolicyKeep {
		d.Log.Info("the original stays, as ORIGINALS=keep says; core may go on serving it", "path", d.Source.Path)
		return nil, nil
	}
	if err := v.unchanged(d); err != nil {
		return nil, err
	}
	for _, rel := range retirees(d) {
		to, err := v.retireOne(d, rel)
		moved = append(moved, to...)
		if err != nil {
			return moved, err
		}
		d.Boundary("retired " + path.Base(rel))
	}
	return moved, nil
}

// unchanged makes sure that the recording on the volume is the one that was
// converted, or has gone.
func (v volume) unchanged(d Delivery) error {
	rec, err := recording.Open(abs(v.root, d.Source.Path))
	if errors.Is(err, fs.ErrNotExist) { // retired by an earlier attempt, unless the volume is away
		gone, err := v.gone(d, d.Source.Path)
		if err == nil && !gone {
			err = task.Failf(task.ClassVolume, "the replay volume was away for a moment")
		}
		return err
	}
	if err != nil {
		return err
	}
	if now := d.Source.Seen(rec.Size, rec.ModTime); now.Fingerprint() != d.Source.Fingerprint() {
		return &task.ChangedError{Now: now, What: "the recording changed while it was converted; it stays and is converted again"}
	}
	return nil
}

// retirees lists what goes: the recording, and the downloads that core made
// from it and would hand out again.
func retirees(d Delivery) []string {
	tar := path.Join(d.Date, d.Session+".tar")
	if recording.ParseName(d.Source.Path).Class == recording.ClassIndex {
		return []string{path.Dir(d.Source.Path), tar}
	}
	return []string{d.Source.Path, tar}
}

// gone reports whether something has gone from the volume. On a mount point
// whose volume is away there is nothing, which proves nothing.
func (v volume) gone(d Delivery, rel string) (bool, error) {
	there, err := Exists(abs(v.root, rel))
	if err != nil || there {
		return false, err
	}
	if d.Source.OnVolume() { // else the folder may well be empty
		if err := MustMount(v.root); err != nil {
			return false, err
		}
	}
	there, err = Exists(abs(v.root, rel)) // it may have come back in between
	return !there && err == nil, err
}

// retireOne takes a file or folder of the volume away, if it is there, and
// returns where it is now in the trash: nothing for what was deleted.
func (v volume) retireOne(d Delivery, rel string) (moved []string, err error) {
	if gone, err := v.gone(d, rel); err != nil || gone {
		return nil, err
	}
	if v.originals == cleanup.PolicyDelete {
		if err := cleanup.Delete(v.root, rel); err != nil {
			return nil, err
		}
		d.Log.Info("deleted the original", "path", rel)
		return nil, nil
	}
	to, err := v.trash().Retire(rel)
	if err != nil {
		return nil, err
	}
	d.Log.Info("moved the original to the trash", "path", rel, "to", to)
	return []string{to}, nil
}
