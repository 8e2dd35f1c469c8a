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

// spaceReserve is how many bytes downloads leave free on the disk.
const spaceReserve = 1 << 30

// Bucket is a replay storage that is a bucket. The agent uploads the MP4 itself and
// verifies it against the checksum that the server reports.
type Bucket struct {
	Storage   storage.Storage
	ReplayDir string         // core's replay folder as mounted here; "" = none
	Look      func() error   // returns why the volume is away, nil if it is there; not called without a volume
	Originals cleanup.Policy // what happens to originals
	// PlayCache is how long core hands out the address of a replay to a viewer who
	// has begun to watch it. Copies that core has made of originals stay on the
	// volume for that long.
	PlayCache time.Duration
}

func (b Bucket) volume() volume { return volume{b.ReplayDir, b.Look, b.Originals, b.PlayCache} }

// trash returns the trash for originals and stale videos in the bucket.
func (b Bucket) trash() storage.Trash { return storage.Trash{Storage: b.Storage} }

// replay returns the session's replay, which names its keys in the bucket.
func (d Delivery) replay() storage.Replay { return storage.Replay{Date: d.Date, Session: d.Session} }

// Place implements [Destination].
func (b Bucket) Place() string { return b.Storage.Place() }

// Visible implements [Destination].
func (b Bucket) Visible() bool { return true }

// Ready implements [Destination]. It lists, because the refusal of a listing says
// most about the cause.
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
	if o.Size == d.Video.Size && o.SHA256 == "" { // copied there by another program
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

// CleanUpLate implements [Destination]. In a bucket there is nothing to do: every
// agent stores the same MP4 under the same name.
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

// prove verifies the MP4's bytes.
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
	if errors.Is(err, storage.ErrDamaged) { // so that it is put again
		err = errors.Join(err, b.Storage.Delete(ctx, key))
	}
	return err
}

// proveAlone verifies an MP4 that is only in the bucket. If it existed before the
// task began, it has been read and decoded already.
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
