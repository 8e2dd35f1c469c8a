package transcode

import (
	"errors"
	"io/fs"
	"path"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// trash is where originals and stale videos on the volume go.
func (j *job) trash() cleanup.Trash { return cleanup.Trash{Root: j.ReplayDir} }

// retireFromVolume takes away the recording on the volume that the MP4 was
// made from, as the policy says.
func (j *job) retireFromVolume() error {
	if j.Originals == cleanup.PolicyKeep {
		j.log.Info("the original stays, as ORIGINALS=keep says; core may go on serving it", "path", j.source.Path)
		return nil
	}
	rec, err := recording.Open(j.original())
	switch {
	case errors.Is(err, fs.ErrNotExist): // retired by an earlier attempt, unless the volume is away
		if gone, err := j.gone(j.source.Path); err != nil {
			return err
		} else if !gone {
			return task.Failf(task.ClassVolume, "the replay volume was away for a moment")
		}
	case err != nil:
		return err
	case j.sourceOf(rec).Fingerprint() != j.source.Fingerprint():
		j.source = j.sourceOf(rec)
		return task.Failf(task.ClassChanged, "the recording changed while it was converted; it stays and is converted again")
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

// gone tells whether something has gone from the volume. On a mount point whose
// volume is away there is nothing, which proves nothing.
func (j *job) gone(rel string) (bool, error) {
	there, err := exists(abs(j.ReplayDir, rel))
	if err != nil || there {
		return false, err
	}
	if j.onVolume() { // else the folder may well be empty
		if err := mustMount(j.ReplayDir); err != nil {
			return false, err
		}
	}
	there, err = exists(abs(j.ReplayDir, rel)) // it may have come back in between
	return !there && err == nil, err
}

// retireOne takes a file or folder of the volume away, if it is there.
func (j *job) retireOne(rel string) error {
	if gone, err := j.gone(rel); err != nil || gone {
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
