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

// Ledger is a permanent record of replacements.
type Ledger interface {
	// Append adds an entry unless it is there already, and returns when it is on the
	// disk.
	Append(e ledger.Entry) error
}

// record records in the ledger that the MP4 has replaced the recording.
func (j *job) record(ctx context.Context) error {
	v := j.journal.Video
	if j.cfg.Ledger == nil || v.InPlace && !j.dest.Visible() { // the MP4 of an earlier task, which this one has not read
		return nil
	}
	mp4 := &ledger.MP4{Path: j.served(), SHA256: v.SHA256, Size: v.Size, Frames: v.Frames, DurationMS: v.DurationMS, Pictures: v.Pictures}
	if mp4.Pictures == "" {
		var err error
		if mp4.Pictures, err = j.pictures(ctx); err != nil {
			return err
		}
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
	if !j.dest.Visible() {
		e.Detail = "core said that it has the MP4, which was not read back"
	}
	if err := j.cfg.Ledger.Append(e); err != nil {
		return fmt.Errorf("record the replacement in the ledger: %w", err)
	}
	return nil
}

// fate returns what happened to the original.
func (j *job) fate() ledger.Fate {
	switch {
	case j.journal.Lost:
		return ledger.FateLost
	case j.cfg.Originals == cleanup.PolicyKeep:
		return ledger.FateKept
	case j.cfg.Originals == cleanup.PolicyDelete && len(j.journal.Video.Missing) == 0 && j.dest.Visible():
		return ledger.FateDeleted
	default:
		return ledger.FateTrash
	}
}

// pictures returns the digest of the MP4's decoded pictures; "" if there is no file to read
// them from, or they cannot be read.
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
		j.log.Warn("cannot compute the digest of the MP4's pictures; the ledger has none", "error", err)
		return "", nil
	}
	return sum, err
}

// noteAside records in the ledger that an MP4 is moved to the trash for another one. file is
// its name, sum its SHA-256, size its bytes, and to where it is now.
func (j *job) noteAside(file, sum string, size int64, to string) error {
	if j.cfg.Ledger == nil {
		return nil
	}
	err := j.cfg.Ledger.Append(ledger.Entry{
		Kind: ledger.KindMovedAside, Session: j.id, Date: j.journal.Date, Place: j.journal.Place, Time: time.Now(),
		MP4: &ledger.MP4{Path: file, SHA256: sum, Size: size}, Originals: []string{to},
	})
	if err != nil {
		return fmt.Errorf("record in the ledger that an MP4 was moved: %w", err)
	}
	return nil
}
