package destination

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// spaceReserve is what downloads leave free on the disk, in bytes.
const spaceReserve = 1 << 30

// Bucket is a bucket. The agent puts the MP4 there itself and verifies it
// against the checksum that the server reports.
type Bucket struct {
	Storage   storage.Storage
	ReplayDir string         // core's replay folder as mounted here; "" = none
	Originals cleanup.Policy // what becomes of originals
	// PlayCache is how long core hands out the address of a replay to somebody
	// who has once begun to watch it: copies that core has made of originals
	// stay on the volume for so long.
	PlayCache time.Duration
}

func (b Bucket) volume() volume { return volume{b.ReplayDir, b.Originals, b.PlayCache} }

// trash is where originals and stale videos in the bucket go.
func (b Bucket) trash() storage.Trash { return storage.Trash{Storage: b.Storage} }

// replay names the session's replay in the bucket.
func (d Delivery) replay() storage.Replay { return storage.Replay{Date: d.Date, Session: d.Session} }

// Place implements [Destination].
func (b Bucket) Place() string { return b.Storage.Place() }

// Ready implements [Destination]. It lists, since that is the request whose
// refusal says most.
func (b Bucket) Ready(ctx context.Context, d Delivery) error {
	_, err := b.Storage.List(ctx, storage.Query{Prefix: d.replay().Video(), Max: 1})
	return err
}

// Current implements [Destination].
func (b Bucket) Current(ctx context.Context, d Delivery) (string, error) {
	if err := os.MkdirAll(d.Work, 0o700); err != nil {
		return "", fmt.Errorf("work folder: %w", err)
	}
	file := filepath.Join(d.Work, "current.mp4")
	_, err := storage.Download(ctx, b.Storage, d.replay().Video(), file, spaceReserve)
	if errors.Is(err, storage.ErrNotFound) {
		return "", fs.ErrNotExist
	}
	return file, err
}

// Holds implements [Destination].
func (b Bucket) Holds(ctx context.Context, d Delivery) (Holding, error) {
	o, err := b.Storage.Stat(ctx, d.replay().Video())
	if errors.Is(err, storage.ErrNotFound) {
		return HoldsNothing, nil
	}
	if err != nil {
		return HoldsNothing, err
	}
	if o.Size == d.Video.Size && o.SHA256 == "" { // copied there by others
		if o.SHA256, err = b.hashObject(ctx, o.Key); err != nil {
			return HoldsNothing, err
		}
	}
	if o.Size == d.Video.Size && o.SHA256 == d.Video.SHA256 {
		return HoldsOurs, nil
	}
	return HoldsOther, nil
}

func (b Bucket) hashObject(ctx context.Context, key string) (string, error) {
	r, err := b.Storage.Get(ctx, key, 0)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", &storage.Error{Op: "get", Place: b.Place(), Key: key, Kind: storage.KindOfTransport(err), Err: err}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Put implements [Destination].
func (b Bucket) Put(ctx context.Context, d Delivery) (string, error) {
	key := d.replay().Video()
	if state, err := b.Holds(ctx, d); err != nil {
		return "", err
	} else if state == HoldsOther {
		file, err := b.Current(ctx, d)
		if err != nil {
			return "", err
		}
		sum, size, err := HashFile(ctx, file)
		if err != nil {
			return "", err
		}
		trash := b.trash()
		trash.Kept = !d.Contained(ctx, file)
		to, err := trash.Retire(ctx, key)
		if err != nil {
			return "", fmt.Errorf("move the stale MP4 away: %w", err)
		}
		d.Log.Info("moved a stale MP4 to the trash", "to", to)
		d.Boundary("stale moved")
		if err := d.Aside(key, sum, size, b.Place()+"/"+to); err != nil {
			return "", err
		}
	}
	f, body, err := b.body(d)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return key, b.Storage.Put(ctx, key, body)
}

// body opens the MP4 in the work folder.
func (b Bucket) body(d Delivery) (*os.File, storage.Body, error) {
	f, err := os.Open(d.File)
	return f, storage.Body{ReaderAt: f, Size: d.Video.Size, SHA256: d.Video.SHA256}, err
}

// CleanUpLate implements [Destination]: a bucket has the same MP4 under the
// same name, whoever put it there.
func (b Bucket) CleanUpLate(Delivery) {}

// Confirm implements [Destination].
func (b Bucket) Confirm(ctx context.Context, d Delivery) error {
	if err := b.prove(ctx, d); err != nil {
		return err
	}
	found, err := b.obstacles(ctx, d)
	if err != nil {
		return err
	}
	return found.unknown()
}

// prove makes sure of the MP4's bytes.
func (b Bucket) prove(ctx context.Context, d Delivery) error {
	key := d.replay().Video()
	f, body, err := b.body(d)
	if errors.Is(err, fs.ErrNotExist) {
		return b.proveAlone(ctx, d, key)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	err = storage.Verify(ctx, b.Storage, key, body)
	if errors.Is(err, storage.ErrDamaged) { // put it again
		err = errors.Join(err, b.Storage.Delete(ctx, key))
	}
	return err
}

// proveAlone makes sure of an MP4 that is in the bucket only. One that was
// there before the task began has been read and decoded by now.
func (b Bucket) proveAlone(ctx context.Context, d Delivery, key string) error {
	state, err := b.Holds(ctx, d)
	if err != nil {
		return err
	}
	if state == HoldsOurs && !d.Video.InPlace {
		sum, err := b.hashObject(ctx, key)
		if err != nil {
			return err
		}
		if sum != d.Video.SHA256 {
			state = HoldsOther
		}
	}
	if state != HoldsOurs {
		return task.Failf(task.ClassNotVisible, "the MP4 is not in the storage any more; the original stays")
	}
	return nil
}

// PutOriginal implements [Destination].
func (b Bucket) PutOriginal(ctx context.Context, d Delivery, file string, part bool) error {
	key := path.Join(d.Date, d.Session+".replay.gz")
	if part {
		key = path.Join(d.Date, d.Session, filepath.Base(file))
	}
	sum, size, err := HashFile(ctx, file)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return storage.Publish(ctx, b.Storage, key, storage.Body{ReaderAt: f, Size: size, SHA256: sum})
}
