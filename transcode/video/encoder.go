package video

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"time"
)

// Options say what video is made.
type Options struct {
	Width, Height int    // of all frames, pixels, even
	FPS           int    // most frames a second; 1/FPS is how long the last one lasts
	CRF           int    // x264's constant rate factor, for 1080p
	Codec         string // see [CheckCodec]
	Nice          int    // niceness of ffmpeg
	Output        string // the .mp4 to write; replaced if it exists
	Duration      time.Duration
	Started       time.Time         // when the recording began; for chapters' names
	Audio         *AudioFormat      // nil = no sound
	Metadata      map[string]string // title, comment, creation_time and so on

	// Plain has ffmpeg encode every frame, also those that differ little.
	Plain bool
}

// length is how long the video is: its last frame lasts for a slot at least.
func (o Options) length() time.Duration { return max(o.Duration, o.slot()) }

func (o Options) slot() time.Duration { return time.Second / time.Duration(o.FPS) }

// Report tells what was encoded; [Tool.Verify] holds the file against it.
type Report struct {
	Frames   int
	Duration time.Duration // of the video as it must be
	Slot     time.Duration // tolerance of Duration
	Width    int
	Height   int
	Codec    string // as in [Info]; empty = any
	Samples  []FrameSample
	Audio    bool
	Chapters int
	Bytes    int64         // size of the file
	CPU      time.Duration // of ffmpeg

	// proof, when not nil, is that of the pictures that were decoded and
	// compared before they were joined, with the answer decoded.
	digest    []byte
	decodeErr error
}

// track turns frames into a Matroska file of encoded pictures.
type track interface {
	add(at time.Duration, frame *planes) error
	close() (cpu time.Duration, err error)
	abort()
	refreshAt() time.Duration // when a picture is wanted although nothing has changed; 0 = not at all
	hasDigest() bool          // there is a proof of the file once it is finished
	digest() []byte           // nil if there is none
}

// Encoder makes a video. Its methods are called from one goroutine.
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

// Start begins a video. The caller must call Close or Abort.
func (t *Tool) Start(ctx context.Context, opt Options) (*Encoder, error) {
	if opt.Width <= 0 || opt.Height <= 0 || opt.Width%2 != 0 || opt.Height%2 != 0 {
		return nil, fmt.Errorf("video: %d×%d is no size for a video", opt.Width, opt.Height)
	}
	if opt.FPS <= 0 {
		return nil, fmt.Errorf("video: %d frames a second", opt.FPS)
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

// Files that exist until the video is done.
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

// Frame encodes img, to be shown from at on. Times are whole milliseconds
// and strictly increase. Only damage, what differs from the frame before, is
// looked at; the first frame is looked at whole.
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
	// What was shown last, once more, while it is still in the planes.
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

// put encodes what is in the planes.
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

// Describe sets what the video says of itself: title, comment, creation_time
// and so on. It is called before Close.
func (e *Encoder) SetMetadata(metadata map[string]string) { e.opt.Metadata = metadata }

// Skip notes that idle time of the recording is left out of the video at this
// point: names of chapters tell of it. It is called between frames.
func (e *Encoder) SkipIdle(by time.Duration) { e.activity.skip(by) }

// Lasts sets how long the video is, if that was not known at the start. It is
// called before Close.
func (e *Encoder) SetDuration(d time.Duration) { e.opt.Duration = d }

// Subtitles adds a track of subtitles, which players show on request only. It is
// called before Close.
func (e *Encoder) SetSubtitles(cues []Cue) { e.cues = cues }

// Audio adds a piece of sound that begins at a time, in whatever format. The
// pieces of a stream come in their order. Where none is heard there is silence;
// several at once are mixed.
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

var errClosed = errors.New("video: the encoder has ended")

// Close ends the video and waits for ffmpeg. On an error no file is left.
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
