package transcode

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"jumpserver-video/coreapi"
	"jumpserver-video/transcode/render"
	"jumpserver-video/watcher/recording"
)

// spooled tells whether the recording was uploaded to us: then the spool has
// the only copy until core has the MP4.
func (j *job) spooled() bool { return j.source.Spool != "" }

// endSpool tells that the upload has done its duty.
func (j *job) endSpool() {
	if j.spooled() && j.Uploaded != nil {
		id, _, _ := strings.Cut(j.source.Spool, "/")
		j.Uploaded(id)
	}
}

// lateTwin tells whether a file that shadows the MP4 of an upload holds the
// very same recording: the client did not get our last answer, or a restarted
// Lion sent what it had kept, and put it into core's storage as well.
func (j *job) lateTwin(rel string) bool {
	if !j.spooled() || j.journal.Video == nil {
		return false
	}
	rec, err := recording.Open(abs(j.ReplayDir, rel))
	if err != nil {
		return false
	}
	plan, err := render.Scan(j.lease.Context(), rec, render.ScanOptions{Strict: true})
	return err == nil && plan.Source == j.journal.Video.Source
}

// retireTwins moves late twins on the volume out of the way.
func (j *job) retireTwins() error {
	rel := path.Join(j.journal.Date, j.id+".replay.gz")
	if there, err := exists(abs(j.ReplayDir, rel)); err != nil || !there || !j.lateTwin(rel) {
		return err
	}
	if err := j.retireOne(rel); err != nil {
		return err
	}
	return j.note()
}

// fallback uploads the recording itself in the layout that it came in, so that
// the session has a replay in JumpServer's own player although no MP4 can be
// made of it.
func (j *job) fallback(ctx context.Context) error {
	if j.journal.Fallback {
		return nil
	}
	rec, err := recording.Open(j.original())
	if err != nil {
		j.log.Error("the upload cannot be read; it stays in the spool", "error", err)
		return nil //nolint:nilerr // there is nothing to upload
	}
	index := strings.HasSuffix(j.source.Spool, ".replay.json")
	for _, part := range rec.Parts {
		file := filepath.Join(filepath.Dir(j.original()), filepath.Base(part.Name))
		version := coreapi.VersionPart
		if !index {
			version = coreapi.VersionGuacamole
			if file, err = j.compressed(file); err != nil {
				return err
			}
		}
		if _, err := j.Core.UploadReplay(ctx, j.id, file, version); err != nil {
			return fmt.Errorf("upload the recording itself: %w", err)
		}
	}
	if index { // last: it names the parts
		if _, err := j.Core.UploadReplay(ctx, j.id, j.original(), coreapi.VersionPart); err != nil {
			return fmt.Errorf("upload the recording's index: %w", err)
		}
	}
	if err := j.Core.MarkReplay(ctx, j.id, rec.Size); err != nil {
		return fmt.Errorf("mark the session: %w", err)
	}
	j.journal.Fallback = true
	j.log.Warn("uploaded the recording itself, as no MP4 can be made of it")
	if err := j.note(); err != nil {
		return err
	}
	j.endSpool()
	return nil
}

// compressed is a gzip file of a dump that is not compressed yet.
func (j *job) compressed(file string) (string, error) {
	if strings.HasSuffix(file, ".gz") {
		return file, nil
	}
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if err := os.MkdirAll(j.work(), 0o700); err != nil {
		return "", fmt.Errorf("work folder: %w", err)
	}
	out, err := os.Create(filepath.Join(j.work(), j.id+".replay.gz"))
	if err != nil {
		return "", err
	}
	defer out.Close()
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		return "", fmt.Errorf("compress the recording: %w", err)
	}
	if err := z.Close(); err != nil {
		return "", fmt.Errorf("compress the recording: %w", err)
	}
	return out.Name(), nil
}
