package video

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"time"
)

// Options configure a video.
type Options struct {
	Width, Height int    // of all frames, in pixels; even
	FPS           int    // maximum frames per second; the last frame lasts 1/FPS
	CRF           int    // x264's constant rate factor, for 1080p
	Codec         string // see [CheckCodec]
	Nice          int    // of ffmpeg
	Output        string // the .mp4 to write; replaced if it exists
	Duration      time.Duration
	Started       time.Time         // start of the recording; for the names of chapters
	Audio         *AudioFormat      // nil = no sound
	Metadata      map[string]string // title, comment, creation_time, for example

	// Plain makes ffmpeg encode all frames, including those with small changes.
	Plain bool
}

// length returns the duration of the video. The last frame lasts at least one slot of
// 1/FPS.
func (o Options) length() time.Duration { return max(o.Duration, o.slot()) }

func (o Options) slot() time.Duration { return time.Second / time.Duration(o.FPS) }

// Report describes what was encoded; [Tool.Verify] compares a file with it.
type Report struct {
	Frames   int
	Duration time.Duration // that the video must have
	Slot     time.Duration // tolerance of Duration
	Width    int
	Height   int
	Codec    string // as in [Info]; empty = any
	Samples  []FrameSample
	Audio    bool
	Chapters int
	Bytes    int64         // of the file
	CPU      time.Duration // of ffmpeg

	// digest, if not nil, is that of the pictures that were decoded and compared
	// before muxing. decodeErr is the result.
	digest    []byte
	decodeErr error
}

// track encodes frames to a Matroska file.
type track interface {
	add(at time.Duration, frame *planes) error
	close() (cpu time.Duration, err error)
	abort()
	refreshAt() time.Duration // when to encode a picture although nothing has changed; 0 = never
	hasDigest() bool          // reports whether digest will return one
	digest() []byte           // of the finished file; nil if there is none
}

// Encoder encodes a video. Its methods must be called from one goroutine.
type Encoder struct {
	tool        *Tool
	ctx         context.Context //nolint:containedctx // of the children, from Start to Close
	opt         Options
	track       track
	markChanged func(image.Rectangle)
	sound       *soundTrack
	planes      *planes
	sampler     frameSampler
	poster      poster
	activity    activity
	cues        []Cue
	frames      int
	last        time.Duration
	closed      bool
}

// Start starts a video. The caller must call Close or Abort.
func (t *Tool) Start(ctx context.Context, opt Options) (*Encoder, error) {
	if opt.Width <= 0 || opt.Height <= 0 || opt.Width%2 != 0 || opt.Height%2 != 0 {
		return nil, fmt.Errorf("video: invalid size %d×%d; width and height must be positive and even", opt.Width, opt.Height)
	}
	if opt.FPS <= 0 {
		return nil, fmt.Errorf("video: invalid frame rate %d", opt.FPS)
	}
	e := &Encoder{tool: t, ctx: ctx, opt: opt, planes: newPlanes(opt.Width, opt.Height), markChanged: func(image.Rectangle) {}}
	if err := e.start(); err != nil {
		e.Abort()
		return nil, err
	}
	return e, nil
}

func (e *Encoder) start() error {
	if (e.opt.Codec == "" || e.opt.Codec == "h264") && !e.opt.Plain {
		delta, err := e.tool.startDelta(e.ctx, e.opt, e.picturesFile())
		if err != nil {
			return err
		}
		e.track, e.markChanged = delta, delta.markChanged
	} else {
		plain, err := e.tool.startPlain(e.ctx, e.opt, e.picturesFile())
		if err != nil {
			return err
		}
		e.track = plain
	}
	if e.opt.Audio == nil {
		return nil
	}
	var err error
	e.sound, err = e.tool.startSound(e.ctx, e.opt, e.soundFile())
	return err
}

// Temporary files, which exist until the video is finished.
func (e *Encoder) picturesFile() string { return e.opt.Output + ".pictures" }
func (e *Encoder) soundFile() string    { return e.opt.Output + ".sound" }
func (e *Encoder) chaptersFile() string { return e.opt.Output + ".chapters" }
func (e *Encoder) posterFile() string   { return e.opt.Output + ".poster" }
func (e *Encoder) cuesFile() string     { return e.opt.Output + ".cues" }

func (e *Encoder) removeTemporary() {
	for _, path := range []string{e.picturesFile(), e.soundFile(), e.chaptersFile(), e.posterFile(), e.cuesFile()} {
		os.Remove(path)
	}
}

// AddFrame encodes img, which is shown from time at on. Times are truncated to
// milliseconds and must strictly increase. Only damage, the parts that differ from
// the frame before, is read. Of the first frame everything is read.
func (e *Encoder) AddFrame(at time.Duration, img *image.RGBA, damage []image.Rectangle) error {
	if e.closed {
		return errClosed
	}
	at = at.Truncate(time.Millisecond)
	if e.frames == 0 {
		damage = []image.Rectangle{img.Rect}
	} else if at <= e.last {
		return fmt.Errorf("video: frame at %s after one at %s", at, e.last)
	}
	// The refresh shows the last frame again, which is still in e.planes.
	if due := e.track.refreshAt().Truncate(time.Millisecond); e.frames > 0 && due > e.last && due+e.opt.slot() <= at {
		if err := e.encode(due); err != nil {
			return err
		}
	}
	for _, r := range damage {
		e.planes.convert(img, r)
		e.markChanged(r)
	}
	if len(damage) > 0 {
		e.activity.record(at)
	}
	e.poster.consider(img, e.planes, damage)
	return e.encode(at)
}

// encode encodes the contents of e.planes.
func (e *Encoder) encode(at time.Duration) error {
	e.sampler.consider(e.frames, at, e.planes)
	e.frames++
	e.last = at
	if err := e.track.add(at, e.planes); err != nil {
		e.Abort()
		return err
	}
	return nil
}

// SetMetadata sets the metadata of the video: title, comment, creation_time, for
// example. It must be called before Close.
func (e *Encoder) SetMetadata(metadata map[string]string) { e.opt.Metadata = metadata }

// SkipIdle records that idle time of the recording is left out of the video here. It
// is in the names of chapters. It must be called between frames.
func (e *Encoder) SkipIdle(by time.Duration) { e.activity.skip(by) }

// SetDuration sets the duration of the video if it was not known at the start. It
// must be called before Close.
func (e *Encoder) SetDuration(d time.Duration) { e.opt.Duration = d }

// SetSubtitles adds a subtitle track, which is off by default in players. It must be
// called before Close.
func (e *Encoder) SetSubtitles(cues []Cue) { e.cues = cues }

// AddAudio adds a chunk of sound that starts at a time, in any format. The chunks of
// a stream must be in order. Gaps are silent; streams at the same time are mixed.
func (e *Encoder) AddAudio(at time.Duration, stream int, format AudioFormat, pcm []byte) error {
	if e.sound == nil {
		return errNoSound
	}
	if e.closed {
		return errClosed
	}
	e.sound.present = e.sound.present || len(pcm) > 0
	if err := e.sound.add(at, stream, format, pcm); err != nil {
		e.Abort()
		return err
	}
	return nil
}

var errClosed = errors.New("video: the encoder is closed")

// Close finishes the video and waits for ffmpeg. After an error no file remains.
func (e *Encoder) Close() (Report, error) {
	if e.closed {
		return Report{}, errClosed
	}
	report, err := e.finish()
	if err != nil {
		e.Abort()
		os.Remove(e.opt.Output)
		return Report{}, err
	}
	e.closed = true
	e.removeTemporary()
	return report, nil
}

// Abort kills ffmpeg and removes the file. After Close it does nothing.
func (e *Encoder) Abort() {
	if e.closed {
		return
	}
	e.closed = true
	if e.track != nil {
		e.track.abort()
	}
	if e.sound != nil {
		e.sound.ffmpeg.abort()
	}
	e.removeTemporary()
}
