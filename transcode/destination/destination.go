package destination

import (
	"context"
	"log/slog"
	"path"
	"path/filepath"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Destination is where MP4s are stored. Its errors may be of any kind for which
// tasks have a reason; package task has those with a class of their own.
type Destination interface {
	// Place returns its name, for journals and for people.
	Place() string
	// Visible reports whether this host can read what core has stored. If it
	// cannot, core's response is the only proof.
	Visible() bool
	// Ready returns an error if nothing could be published now. It is called before
	// a recording is rendered, not after.
	Ready(ctx context.Context, d Delivery) error
	// Current returns a file with the MP4 that has its name now, for inspection, or
	// fs.ErrNotExist.
	Current(ctx context.Context, d Delivery) (file string, err error)
	// Holds returns what has the MP4's name, compared with d.Video.
	Holds(ctx context.Context, d Delivery) (Holding, error)
	// Put publishes d.File and returns its address. What it replaces is kept in the
	// trash.
	Put(ctx context.Context, d Delivery) (address string, err error)
	// CleanUpLate removes what is left of a Put that ended after the lease was
	// lost: another agent may have published the same MP4 meanwhile.
	CleanUpLate(d Delivery)
	// Confirm verifies that the MP4 is in place, byte for byte, and that core will
	// serve it after Retire.
	Confirm(ctx context.Context, d Delivery) error
	// Retire removes the original, and everything else that core would serve
	// instead of the MP4, according to the policy for originals. It returns where
	// they were moved, also if it returns an error.
	Retire(ctx context.Context, d Delivery) (moved []string, err error)
	// Present returns everything that core would serve for the session and that
	// this host can read. The files are in the work folder or in their place.
	Present(ctx context.Context, d Delivery) ([]Replay, error)
	// PutOriginal stores a file of the recording itself for JumpServer's own
	// player. This is a part or the index of a recording in parts under its name,
	// or otherwise the whole recording.
	PutOriginal(ctx context.Context, d Delivery, file string, part bool) error
}

// Delivery is one recording and the MP4 made from it, for one step of a task. Only
// Ready, Current and PutOriginal are called before there is an MP4.
type Delivery struct {
	Session string          // id
	Date    string          // the folder in which core looks, YYYY-MM-DD
	File    string          // the MP4 in the work folder; may no longer exist after Put
	Work    string          // the work folder, for temporary copies
	Fetched string          // the folder to which a Source in a bucket was downloaded
	Video   task.VideoFacts // the facts of the MP4 that must arrive
	Source  task.Source     // the recording
	Files   []task.File     // the recording's files on the volume, as they were read
	Address string          // what an earlier Put returned; "" = none
	Tried   bool            // an earlier attempt to send the file may have succeeded

	// Fence returns an error once the lease of the task is lost.
	Fence func() error
	// SameRecording reports whether a file holds the same recording as the one that
	// the MP4 was made from.
	SameRecording func(ctx context.Context, file string) bool
	// Contained reports whether an MP4 was made of this recording or of a part of
	// it, by this agent or one that shares its key. Other MP4s are never moved to a
	// trash that expires.
	Contained func(ctx context.Context, file string) bool
	// Aside is called for an MP4 that was moved to the trash, with its name, its
	// SHA-256, its size in bytes, and where it is now.
	Aside func(name, sum string, size int64, to string) error
	// Doubt is called with the reason why core may serve another file than the one
	// that was sent.
	Doubt func(why string)
	// Progress is called with how much of the MP4 was sent, in bytes.
	Progress func(sent, total int64)
	// Boundary is called with a description of the last step.
	Boundary func(name string)
	Log      *slog.Logger
}

// Replay is a file that core would serve for a session.
type Replay struct {
	Name  string // where it is, for people
	Video bool   // an MP4
	Cast  bool   // a terminal recording
	File  string // where it can be read
	// InPlace is true for File on the volume, where another program may be writing it;
	// false for a copy.
	InPlace bool
}

// Original returns the file that identifies the recording on the volume, relative
// to the replay folder: the first that was read. The index in the name of a source
// need not exist.
func (d Delivery) Original() string {
	if len(d.Files) > 0 {
		return d.Files[0].Path
	}
	return d.Source.Path
}

// rel returns the name from which core serves the MP4, relative to its replay
// folder.
func (d Delivery) rel() string { return path.Join(d.Date, d.Session+".replay.mp4") }

// Holding says what has the name from which core serves the MP4.
type Holding int

// The values of Holding.
const (
	HoldsNothing Holding = iota
	HoldsOurs            // the delivery's MP4
	HoldsOther           // something else
)

// PlaceCore is the place of core's own storage.
const PlaceCore = "server"

// abs returns the absolute path of a path relative to root; the caller must have
// checked that it stays inside.
func abs(root, rel string) string { return filepath.Join(root, filepath.FromSlash(rel)) }
