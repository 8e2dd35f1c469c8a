package destination

import (
	"context"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Unseen is core's own storage if this host has no volume and cannot read the
// replay folder. It accepts only uploads. Core's response is the only proof that
// core has an MP4: it names the file under which core stored the upload, which is
// the one that core serves. The agent never requests a replay from core, because
// core would record that someone has watched it.
type Unseen struct {
	Client *coreapi.Client
}

// Place implements [Destination]: it is the same storage as that of [Core].
func (u Unseen) Place() string { return PlaceCore }

// Visible implements [Destination].
func (u Unseen) Visible() bool { return false }

// Ready implements [Destination].
func (u Unseen) Ready(_ context.Context, d Delivery) error {
	if d.Source.OnVolume() {
		return task.Failf(task.ClassVolume, "the recording is on core's replay volume, and there is none here: set REPLAY_DIR")
	}
	return nil
}

// Current implements [Destination]. There may be an MP4; the caller checks core's
// record of the session.
func (u Unseen) Current(context.Context, Delivery) (string, error) { return "", fs.ErrNotExist }

// Holds implements [Destination]. An address is that of an accepted upload.
func (u Unseen) Holds(_ context.Context, d Delivery) (Holding, error) {
	if d.Video.InPlace || d.Address != "" {
		return HoldsOurs, nil
	}
	return HoldsNothing, nil
}

// Put implements [Destination]. Its upload is not read back, so it checks that it
// sends exactly what was verified.
func (u Unseen) Put(ctx context.Context, d Delivery) (string, error) {
	sum, size, err := HashFile(ctx, d.File)
	if err != nil {
		return "", err
	}
	if sum != d.Video.SHA256 || size != d.Video.Size {
		return "", task.Failf(task.ClassVerify, "the MP4 in the work folder is not the one that was verified")
	}
	answer, err := u.send(ctx, d, d.File, coreapi.VersionMP4, d.rel())
	if err == nil && answer.Size != size {
		err = task.Failf(task.ClassVerify, "%d bytes of the MP4 were sent, but it has %d", answer.Size, size)
	}
	return answer.URL, err
}

// send uploads a file, which core must store at rel in its replay folder. Up to
// v4.7 core uses another name if a file with that name exists. The existing file
// may be from an earlier attempt to send the same file whose result is unknown:
// then send calls Doubt. Otherwise it is a foreign file, and send returns an error.
func (u Unseen) send(ctx context.Context, d Delivery, file string, version int, rel string) (coreapi.Upload, error) {
	answer, err := u.Client.UploadReplay(ctx, d.Session, file, version, coreapi.Progress(d.Progress))
	switch {
	case err != nil, strings.HasSuffix(answer.URL, "/"+rel):
	case d.Tried || answer.Attempts > 1:
		d.Doubt("core stored the upload as " + answer.URL + ", because there is a file at " + rel + ", which an earlier attempt may have put there")
	default:
		err = task.Failf(task.ClassDiffers, "core stored the upload as %s, because there is a file at %s: check in core's replay folder which of the two is right, and remove the other; "+
			"the upload stays in the spool", answer.URL, rel)
	}
	return answer, err
}

// CleanUpLate implements [Destination]: there is nothing that this host could read.
func (u Unseen) CleanUpLate(Delivery) {}

// Confirm implements [Destination]: Put has checked core's response.
func (u Unseen) Confirm(_ context.Context, d Delivery) error {
	if d.Video.InPlace || d.Address != "" {
		return nil
	}
	return task.Failf(task.ClassNotVisible, "core has not confirmed that it has the MP4")
}

// Retire implements [Destination]: an upload exists only in the spool.
func (u Unseen) Retire(context.Context, Delivery) ([]string, error) { return nil, nil }

// Present implements [Destination].
func (u Unseen) Present(context.Context, Delivery) ([]Replay, error) { return nil, nil }

// PutOriginal implements [Destination].
func (u Unseen) PutOriginal(ctx context.Context, d Delivery, file string, part bool) error {
	version, rel := coreapi.VersionGuacamole, path.Join(d.Date, d.Session+".replay.gz")
	if part {
		version, rel = coreapi.VersionPart, path.Join(d.Date, d.Session, filepath.Base(file))
	}
	d.Progress = nil // it is about the MP4
	_, err := u.send(ctx, d, file, version, rel)
	return err
}
