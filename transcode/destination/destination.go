package destination

import (
	"context"
	"log/slog"
	"path"
	"path/filepath"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Destination is where MP4s go. Errors are of any kind that the task's reasons
// know; see package task for those with a class of their own.
type Destination interface {
	// Place names it, in journals and for people.
	Place() string
	// Ready fails when nothing could be published now. It is called before a
	// recording is rendered, not after.
	Ready(ctx context.Context, d Delivery) error
	// Current returns a file with the MP4 that is at its name now, for a look
	// at it, or fs.ErrNotExist.
	Current(ctx context.Context, d Delivery) (file string, err error)
	// Holds returns what is at the MP4's name, as compared with d.Video.
	Holds(ctx context.Context, d Delivery) (Holding, error)
	// Put publishes d.File in place of what is there, which is kept in the
	// trash, and returns its address.
	Put(ctx context.Context, d Delivery) (address string, err error)
	// CleanUpLate removes what a Put has left that ended after the lease was
	// lost: another agent may have published the same MP4 meanwhile.
	CleanUpLate(d Delivery)
	// Confirm proves that the MP4 is in place, byte for byte, and that nothing
	// but what Retire takes away keeps core from serving it.
	Confirm(ctx context.Context, d Delivery) error
	// Retire takes away, as the policy for originals says, the original and
	// whatever else core would serve in place of the MP4. It returns where
	// these went, also beside an error.
	Retire(ctx context.Context, d Delivery) (moved []string, err error)
	// Present returns all that core would serve for the session, as far as it
	// can be seen from here, readable in the work folder or where it lies.
	Present(ctx context.Context, d Delivery) ([]Replay, error)
	// PutOriginal stores a file of the recording itself for JumpServer's own
	// player: a part or the index of a recording in parts under its name, or
	// else the whole recording.
	PutOriginal(ctx context.Context, d Delivery, file string, part bool) error
}

// Delivery is one recording and the MP4 made from it, on its way to where core
// serves it. Only Ready, Current and PutOriginal are called before there is an
// MP4.
type Delivery struct {
	Session string          // id
	Date    string          // the folder in which core looks, YYYY-MM-DD
	File    string          // the MP4 in the work folder; may be gone after Put
	Work    string          // the work folder, for copies that are only looked at
	Fetched string          // the folder below which a Source in a bucket was downloaded
	Video   task.VideoFacts // what must arrive
	Source  task.Source     // the recording
	Files   []task.File     // of it on the volume, as they were read
	Address string          // what an earlier Put returned; "" = none

	// Fence fails once the lease of the task is lost.
	Fence func() error
	// SameRecording reports whether a file holds the very recording that the
	// MP4 was made from.
	SameRecording func(ctx context.Context, file string) bool
	// Contained reports whether an MP4 was made by this agent, or one that shares
	// its key, of this very recording or of a part of it. Others are never left to
	// a trash that expires.
	Contained func(ctx context.Context, file string) bool
	// Aside is told of an MP4 that has made way: its name, its SHA-256 and size in
	// bytes, and where it is now.
	Aside func(name, sum string, size int64, to string) error
	// Progress is told how much of the MP4 was sent, in bytes.
	Progress func(sent, total int64)
	// Boundary is told what was just done, in words.
	Boundary func(name string)
	Log      *slog.Logger
}

// Replay is something that core would serve for a session.
type Replay struct {
	Name  string // where it is, for people
	Video bool   // an MP4
	Cast  bool   // a terminal recording
	File  string // where it can be read
}

// rel is the name from which core serves the MP4, relative to its replay
// folder.
func (d Delivery) rel() string { return path.Join(d.Date, d.Session+".replay.mp4") }

// Holding is what is at the name from which core serves the MP4.
type Holding int

// What may be there.
const (
	HoldsNothing Holding = iota
	HoldsOurs            // the delivery's MP4
	HoldsOther           // something else
)

// PlaceCore is the place of core's own storage.
const PlaceCore = "server"

// abs returns a path relative to root as one of this host; the caller has
// checked that it stays inside.
func abs(root, rel string) string { return filepath.Join(root, filepath.FromSlash(rel)) }
