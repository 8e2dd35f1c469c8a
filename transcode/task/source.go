package task

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// Source says where a task's recording lies.
type Source struct {
	// Path is relative to the replay folder: D/S.replay.gz, or
	// D/S/S.replay.json for a parts recording.
	Path string `json:"path"`
	// Spool is instead of Path for an upload: relative to the spool, in the
	// folder named by the upload's id.
	Spool string `json:"spool,omitempty"`
	// Bucket is instead of Path for a recording in a replay storage.
	Bucket *BucketSource `json:"bucket,omitempty"`
	// Size is the recording's size in bytes, all files together, and
	// ModTime its newest modification, both when it was found.
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
}

// BucketSource is a recording in a bucket.
type BucketSource struct {
	// Place names the bucket.
	Place string `json:"place"`
	// Key is D/S.replay.gz, or D/S/S.replay.json for a recording in parts.
	Key string `json:"key"`
	// Objects are all of its objects as listed, Key's first.
	Objects []storage.Object `json:"objects"`
}

// Name is where the recording lies, for people.
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

// Fingerprint identifies the recording as far as names, size and time can,
// and in a bucket the server's tags.
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

// Seen returns the source as its files look now: with this size in bytes and
// this modification time. A source in a bucket is described by its objects
// and stays as it is.
func (s Source) Seen(size int64, modTime time.Time) Source {
	if s.Bucket == nil {
		s.Size, s.ModTime = size, modTime
	}
	return s
}

// Spooled reports whether the recording was uploaded to the agent: then the
// spool has the only copy until core has the MP4.
func (s Source) Spooled() bool { return s.Spool != "" }

// OnVolume reports whether the recording is on the replay volume.
func (s Source) OnVolume() bool { return s.Path != "" }

// SourceOf says where a task's recording lies: nowhere, if that cannot be read.
func SourceOf(t queue.Task) Source {
	var source Source
	_ = json.Unmarshal(t.Source, &source) // shows as empty
	return source
}
