package task

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// Source says where a task's recording is: exactly one of Path, Spool and Bucket is set.
type Source struct {
	// Path is the recording on the replay volume, relative to the replay folder:
	// DATE/SESSION.replay.gz, or DATE/SESSION/SESSION.replay.json for a recording in
	// parts.
	Path string `json:"path"`
	// Spool is an upload, relative to the spool, in the folder that has the upload's id
	// as its name.
	Spool string `json:"spool,omitempty"`
	// Bucket is a recording in a replay storage.
	Bucket *BucketSource `json:"bucket,omitempty"`
	// Size is the size of all files of the recording in bytes, and ModTime their
	// latest modification, both as of when the recording was found.
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
	// Early means that the recording was found soon after its last change. The job
	// must check that it is complete, and otherwise wait.
	Early bool `json:"early,omitempty"`
}

// BucketSource is a recording in a bucket.
type BucketSource struct {
	// Place names the bucket.
	Place string `json:"place"`
	// Key is DATE/SESSION.replay.gz, or DATE/SESSION/SESSION.replay.json for a recording
	// in parts.
	Key string `json:"key"`
	// Objects are all objects of the recording as listed, that of Key first.
	Objects []storage.Object `json:"objects"`
}

// Name returns where the recording is, for people.
func (s Source) Name() string {
	switch {
	case s.Bucket != nil:
		return s.Bucket.Place + "/" + s.Bucket.Key
	case s.Spool != "":
		return "spool/" + s.Spool
	default:
		return s.Path
	}
}

// Fingerprint returns a text that changes when the recording does, as far as its name,
// size and modification time show that. In a bucket, it depends on the objects' keys,
// sizes and ETags.
func (s Source) Fingerprint() string {
	if s.Bucket != nil {
		h := sha256.New()
		for _, o := range s.Bucket.Objects {
			fmt.Fprintln(h, o.Key, o.Size, o.ETag)
		}
		return fmt.Sprintf("%s|%s|%x", s.Bucket.Place, s.Bucket.Key, h.Sum(nil))
	}
	return fmt.Sprintf("%s|%d|%d", s.Path+s.Spool, s.Size, s.ModTime.UnixNano())
}

// Seen returns the source with the size in bytes and the modification time that its files
// have now. A source in a bucket is returned unchanged: its objects describe it.
func (s Source) Seen(size int64, modTime time.Time) Source {
	if s.Bucket == nil {
		s.Size, s.ModTime = size, modTime
	}
	return s
}

// Spooled reports whether the recording was uploaded to the agent. If so, the spool has
// the only copy until core has the MP4.
func (s Source) Spooled() bool { return s.Spool != "" }

// OnVolume reports whether the recording is on the replay volume.
func (s Source) OnVolume() bool { return s.Path != "" }

// SourceOf returns where a task's recording is; a zero Source if the task's record is not
// readable.
func SourceOf(t queue.Task) Source {
	var source Source
	_ = json.Unmarshal(t.Source, &source) // after an error, the source stays empty
	return source
}
