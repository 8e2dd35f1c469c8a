package transcode

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

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// remote is a bucket. MP4s are put there with our own hands and proven by
// what the server says of them.
type remote struct {
	*job
	in storage.Storage
}

func (d *remote) place() string { return d.in.Place() }

func (d *remote) replay() storage.Replay { return storage.Replay{Date: d.journal.Date, Session: d.id} }

// bin is where originals and stale videos in the bucket go.
func (d *remote) bin() storage.Trash { return storage.Trash{Storage: d.in} }

// ready lists, since that is the request whose refusal says most.
func (d *remote) ready(ctx context.Context) error {
	_, err := d.in.List(ctx, storage.Query{Prefix: d.replay().Video(), Max: 1})
	return err
}

func (d *remote) current(ctx context.Context) (string, error) {
	if err := os.MkdirAll(d.work(), 0o700); err != nil {
		return "", fmt.Errorf("work folder: %w", err)
	}
	file := filepath.Join(d.work(), "current.mp4")
	_, err := storage.Download(ctx, d.in, d.replay().Video(), file, spaceReserve)
	if errors.Is(err, storage.ErrNotFound) {
		return "", fs.ErrNotExist
	}
	return file, err
}

func (d *remote) holds(ctx context.Context) (holding, error) {
	o, err := d.in.Stat(ctx, d.replay().Video())
	if errors.Is(err, storage.ErrNotFound) {
		return holdsNothing, nil
	}
	if err != nil {
		return holdsNothing, err
	}
	if o.Size == d.journal.Video.Size && o.SHA256 == "" { // copied there by others
		if o.SHA256, err = d.hashObject(ctx, o.Key); err != nil {
			return holdsNothing, err
		}
	}
	if o.Size == d.journal.Video.Size && o.SHA256 == d.journal.Video.SHA256 {
		return holdsOurs, nil
	}
	return holdsOther, nil
}

func (d *remote) hashObject(ctx context.Context, key string) (string, error) {
	r, err := d.in.Get(ctx, key, 0)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", &storage.Error{Op: "get", Place: d.place(), Key: key, Kind: storage.KindOfTransport(err), Err: err}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (d *remote) put(ctx context.Context) (string, error) {
	key := d.replay().Video()
	if state, err := d.holds(ctx); err != nil {
		return "", err
	} else if state == holdsOther {
		to, err := d.bin().Retire(ctx, key)
		if err != nil {
			return "", fmt.Errorf("move the stale MP4 away: %w", err)
		}
		d.log.Info("moved a stale MP4 to the trash", "to", to)
		d.boundary("stale moved")
	}
	f, body, err := d.body()
	if err != nil {
		return "", err
	}
	defer f.Close()
	return key, d.in.Put(ctx, key, body)
}

// body is the MP4 in the work folder, opened.
func (d *remote) body() (*os.File, storage.Body, error) {
	f, err := os.Open(d.mp4())
	return f, storage.Body{ReaderAt: f, Size: d.journal.Video.Size, SHA256: d.journal.Video.SHA256}, err
}

func (d *remote) confirm(ctx context.Context) error {
	if err := d.prove(ctx); err != nil {
		return err
	}
	found, err := d.obstacles(ctx)
	if err != nil {
		return err
	}
	return found.unknown()
}

// prove makes sure of the MP4's bytes.
func (d *remote) prove(ctx context.Context) error {
	key := d.replay().Video()
	f, body, err := d.body()
	if errors.Is(err, fs.ErrNotExist) {
		return d.proveAlone(ctx, key)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	err = storage.Verify(ctx, d.in, key, body)
	if errors.Is(err, storage.ErrDamaged) { // put it again
		err = errors.Join(err, d.in.Delete(ctx, key))
	}
	return err
}

// proveAlone makes sure of an MP4 that is in the bucket only. One that was
// there before the task began has been read and decoded by now.
func (d *remote) proveAlone(ctx context.Context, key string) error {
	state, err := d.holds(ctx)
	if err != nil {
		return err
	}
	if state == holdsOurs && !d.journal.Reconciled {
		sum, err := d.hashObject(ctx, key)
		if err != nil {
			return err
		}
		if sum != d.journal.Video.SHA256 {
			state = holdsOther
		}
	}
	if state != holdsOurs {
		d.journal.Reconciled = false
		return task.Failf(task.ClassNotVisible, "the MP4 is not in the storage any more; the original stays")
	}
	return nil
}

func (d *remote) putOriginal(ctx context.Context, file string, part bool) error {
	key := path.Join(d.journal.Date, d.id+".replay.gz")
	if part {
		key = path.Join(d.journal.Date, d.id, filepath.Base(file))
	}
	sum, size, err := hashFile(ctx, file)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return storage.Publish(ctx, d.in, key, storage.Body{ReaderAt: f, Size: size, SHA256: sum})
}
