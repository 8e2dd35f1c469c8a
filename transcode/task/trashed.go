package task

import "errors"

// Places with a trash. For a bucket, the place is that of [storage.Storage.Place].
const (
	PlaceVolume = "volume"
	PlaceSpool  = "spool"
)

// Trashed is an item in a trash of the agent: a file, the folder of a recording in parts, an
// object of a bucket, or an upload.
type Trashed struct {
	Session string `json:"session,omitempty"` // id; "" if the item belongs to no session
	Place   string `json:"place"`             // PlaceVolume, PlaceSpool, or the bucket's place
	Path    string `json:"path"`              // where the item is, relative to the place
	From    string `json:"from"`              // where it was, and where it is restored to
	Day     string `json:"day"`               // when it was moved to the trash, YYYY-MM-DD
	Kept    bool   `json:"kept"`              // it does not expire
	Folder  bool   `json:"folder"`            // it is the folder of a recording in parts, or of an upload
	MP4     bool   `json:"mp4"`               // it is not an original, but an MP4 that another one has replaced
	Bytes   int64  `json:"bytes"`
}

// Errors of restoring.
var (
	// ErrNoOriginal means that no trash has an original of the session.
	ErrNoOriginal = errors.New("no trash has an original of this session")
	// ErrInPlace means that a recording is where the original was.
	ErrInPlace = errors.New("there is a recording where the original was")
)
