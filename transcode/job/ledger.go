package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
)

// Ledger is where replacements are noted for those who ask years later.
type Ledger interface {
	// Append notes a fact once, and returns when that is on the disk.
	Append(e ledger.Entry) error
}

// record notes in the ledger that the MP4 is in the place of the recording.
func (j *job) record(ctx context.Context) error {
	if j.cfg.Ledger == nil {
		return nil
	}
	v := j.journal.Video
	mp4 := &ledger.MP4{Path: j.served(), SHA256: v.SHA256, Size: v.Size, Frames: v.Frames, DurationMS: v.DurationMS}
	var err error
	if mp4.Pictures, err = j.pictures(ctx); err != nil {
		return err
	}
	e := ledger.Entry{
		Kind: ledger.KindReplaced, Session: j.id, Date: j.journal.Date, Place: j.journal.Place, MP4: mp4,
		Source:   &ledger.Source{SHA256: v.Source, Path: j.source.Name(), Size: j.source.Size, Modified: j.source.ModTime.UTC()},
		Compared: ledger.ComparedDrawn, Incomplete: len(v.Missing) > 0, Warnings: j.journal.Warnings,
		Original: j.fate(), Originals: j.journal.Retired,
	}
	if v.InPlace {
		e.Compared = ledger.ComparedMark
	}
	if err := j.cfg.Ledger.Append(e); err != nil {
		return fmt.Errorf("note the replacement: %w", err)
	}
	return nil
}

// fate is what became of the original.
func (j *job) fate() ledger.Fate {
	switch {
	case j.cfg.Originals == cleanup.PolicyKeep:
		return ledger.FateKept
	case j.cfg.Originals == cleanup.PolicyDelete && len(j.journal.Video.Missing) == 0:
		return ledger.FateDeleted
	default:
		return ledger.FateTrash
	}
}

// pictures returns what identifies the MP4's pictures however they are packed;
// "" when there is no file to read them from.
func (j *job) pictures(ctx context.Context) (string, error) {
	file := j.mp4()
	if there, err := destination.Exists(file); err != nil {
		return "", err
	} else if !there {
		if file, err = j.dest.Current(ctx, j.delivery()); errors.Is(err, fs.ErrNotExist) {
			return "", nil
		} else if err != nil {
			return "", err
		}
	}
	sum, err := ledger.Pictures(ctx, j.cfg.Render.Tool.Path, file)
	if errors.Is(err, ledger.ErrPictures) {
		j.log.Warn("the ledger does not know the pictures of the MP4", "error", err)
		return "", nil
	}
	return sum, err
}

// noteAside notes in the ledger that an MP4 makes way for another.
func (j *job) noteAside(file, sum string, size int64, to string) error {
	if j.cfg.Ledger == nil {
		return nil
	}
	err := j.cfg.Ledger.Append(ledger.Entry{
		Kind: ledger.KindMovedAside, Session: j.id, Date: j.journal.Date, Place: j.journal.Place, Time: time.Now(),
		MP4: &ledger.MP4{Path: file, SHA256: sum, Size: size}, Originals: []string{to},
	})
	if err != nil {
		return fmt.Errorf("note that an MP4 was moved: %w", err)
	}
	return nil
}
