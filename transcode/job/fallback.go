package job

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// endSpool tells that the session has a replay and the upload is done with.
func (j *job) endSpool() {
	if !j.source.Spooled() {
		return
	}
	end := task.UploadStored
	if v := j.journal.Video; v != nil && len(v.Missing) > 0 {
		end = task.UploadKept
	}
	j.host.UploadDone(j.source.Spool, end)
}

// isTwin reports whether a file holds the very recording that the MP4 was made
// from.
func (j *job) isTwin(ctx context.Context, file string) bool {
	if j.journal.Video == nil {
		return false
	}
	rec, err := recording.Open(file)
	if err != nil {
		return false
	}
	content, err := render.Content(ctx, rec)
	return err == nil && content == j.journal.Video.Source
}

// fallback uploads the recording itself in the layout that it came in, so that
// the session has a replay in JumpServer's own player although no MP4 can be
// made of it. why is what core is told when it was the MP4 that it refused.
func (j *job) fallback(ctx context.Context, why string) error {
	if j.journal.Reached.AsIs() || j.dest == nil {
		return nil
	}
	rec, err := recording.Open(j.original())
	if err != nil {
		j.log.Error("the upload cannot be read; it stays in the spool", "error", err)
		return nil //nolint:nilerr // there is nothing to upload
	}
	content, err := render.Content(ctx, rec)
	if err != nil {
		return err
	}
	is, what, err := j.present(ctx, content, nil)
	if err != nil {
		return fmt.Errorf("look for other replays of the session: %w", err)
	}
	if is == hasOther {
		return differs(what)
	}
	told := j.journal.Events[coreapi.UploadStart] != ""
	size := rec.Size
	if is == hasNothing {
		if err := j.tellUpload(ctx, why); err != nil {
			return err
		}
		told = true
		if size, err = j.putAll(ctx, rec); err != nil {
			return err
		}
	}
	if err := j.cfg.Core.MarkReplay(ctx, j.id, size); err != nil {
		return fmt.Errorf("mark the session: %w", err)
	}
	j.journal.Reached = task.ReachedAsIs
	j.log.Warn("core has the recording itself, as no MP4 can be made of it")
	if err := j.note(); err != nil {
		return err
	}
	if told {
		if err := j.event(ctx, coreapi.UploadSuccess, ""); err != nil {
			j.log.Warn("core does not know that the recording was uploaded", "error", err)
		}
	}
	j.endSpool()
	return nil
}

// tellUpload tells core that the recording itself is uploaded: in place of an
// MP4 whose upload it was told of, if there was one.
func (j *job) tellUpload(ctx context.Context, why string) error {
	event, reason := coreapi.UploadStart, ""
	if j.journal.Video != nil && j.journal.Events[coreapi.UploadStart] != "" { // begun, in vain
		event, reason = coreapi.UploadFailure, why
	}
	if err := j.event(ctx, event, reason); err != nil {
		return fmt.Errorf("upload the recording itself: %w", err)
	}
	return nil
}

// putAll uploads all files of a recording, and returns their bytes.
func (j *job) putAll(ctx context.Context, rec *recording.Recording) (size int64, err error) {
	index := strings.HasSuffix(j.source.Spool, ".replay.json")
	for _, part := range rec.Parts {
		file := filepath.Join(filepath.Dir(j.original()), filepath.Base(part.Name))
		if !index {
			if file, err = j.compressed(file); err != nil {
				return 0, err
			}
		}
		if err := j.putOriginal(ctx, file, index); err != nil {
			return 0, fmt.Errorf("upload the recording itself: %w", err)
		}
		if info, err := os.Stat(file); err == nil {
			size += info.Size()
		}
	}
	if index { // last: it names the parts
		if err := j.putOriginal(ctx, j.original(), true); err != nil {
			return 0, fmt.Errorf("upload the recording's index: %w", err)
		}
	}
	return size, nil
}

// putOriginal stores a file of the recording itself, once: core up to 4.7 would
// keep it a second time under another name.
func (j *job) putOriginal(ctx context.Context, file string, part bool) error {
	name := filepath.Base(file)
	if slices.Contains(j.journal.Stored, name) {
		return nil
	}
	if err := j.dest.PutOriginal(ctx, j.delivery(), file, part); err != nil {
		return err
	}
	j.journal.Stored = append(j.journal.Stored, name)
	return j.note()
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
