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

// endUpload tells the host that the session of an upload has a replay.
func (j *job) endUpload() {
	if !j.source.Spooled() {
		return
	}
	j.host.UploadDone(j.source.Spool, j.journal.UploadEnd(), j.journal.Reached.AsIs())
}

// isSame reports whether a file holds the same recording as the one that the MP4 was made
// from.
func (j *job) isSame(ctx context.Context, file string) bool {
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

// fallback uploads the recording itself in its layout, because no MP4 can be made of it or
// core has refused the MP4. The session then has a replay in JumpServer's own player. why
// is the reason that core gets if the upload of an MP4 was announced. After a crash, it
// continues with the step that is not done.
func (j *job) fallback(ctx context.Context, why string) error {
	if j.dest == nil {
		return nil
	}
	if !j.journal.Reached.AsIs() {
		rec, err := recording.Open(j.original())
		if err != nil {
			j.log.Error("the upload cannot be read; it stays in the spool", "error", err)
			return nil //nolint:nilerr // there is nothing to upload
		}
		if err := j.putAsIs(ctx, rec, why); err != nil {
			return err
		}
	}
	if j.journal.Events[coreapi.UploadStart] != "" {
		if err := j.event(ctx, coreapi.UploadSuccess, ""); err != nil {
			j.log.Warn("could not report the upload of the recording to core", "error", err)
		}
	}
	j.endUpload()
	return nil
}

// putAsIs uploads the recording itself, unless core has it, and marks the session.
func (j *job) putAsIs(ctx context.Context, rec *recording.Recording, why string) error {
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
	size := rec.Size
	if is == hasNothing || j.journal.Again {
		if err := j.announceUpload(ctx, why); err != nil {
			return err
		}
		if size, err = j.putAll(ctx, rec); err != nil {
			return err
		}
	}
	if err := j.mark(ctx, size); err != nil {
		return err
	}
	j.journal.Reached, j.journal.Content = task.ReachedAsIs, content
	j.journal.Unseen = !j.dest.Visible()
	j.log.Warn("no MP4 can be made; core has the recording itself")
	return j.note()
}

// announceUpload tells core that the recording itself is being uploaded. If the upload of
// an MP4 was announced before, it reports to core that this upload has failed.
func (j *job) announceUpload(ctx context.Context, why string) error {
	event, reason := coreapi.UploadStart, ""
	if j.journal.Video != nil && j.journal.Events[coreapi.UploadStart] != "" {
		event, reason = coreapi.UploadFailure, why
	}
	if err := j.event(ctx, event, reason); err != nil {
		return fmt.Errorf("upload the recording itself: %w", err)
	}
	return nil
}

// putAll uploads all files of a recording, and returns their size in bytes.
func (j *job) putAll(ctx context.Context, rec *recording.Recording) (size int64, err error) {
	index := strings.HasSuffix(j.source.Spool, ".replay.json")
	var names []string
	for _, part := range rec.Parts {
		names = append(names, part.Name)
	}
	if index {
		names = rec.Index.Files // with empty files, which the player also requests
	}
	for _, name := range names {
		file := filepath.Join(filepath.Dir(j.original()), filepath.Base(name))
		if info, err := os.Stat(file); err == nil && info.Size() == 0 {
			continue // core does not accept empty files
		}
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

// putOriginal uploads a file of the recording itself, at most once: core up to 4.7 would
// store a second upload under another name.
func (j *job) putOriginal(ctx context.Context, file string, part bool) error {
	name := filepath.Base(file)
	if slices.Contains(j.journal.Stored, name) {
		return nil
	}
	d, err := j.noteTry(name)
	if err == nil {
		err = j.dest.PutOriginal(ctx, d, file, part)
	}
	if err != nil {
		return err
	}
	j.journal.Stored = append(j.journal.Stored, name)
	return j.note()
}

// compressed returns the path of a compressed version of a file: the file itself, if it is
// a gzip file, or one in the work folder.
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
		return "", fmt.Errorf("create the work folder: %w", err)
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
