package video

import (
	"context"
	"errors"
	"fmt"
	"image"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what video is made.
type Options struct {
	Width, Height int    // of all frames, pixels, even
	FPS           int    // most frames a second; 1/FPS is how long the last one lasts
	CRF           int    // x264's constant rate factor
	Codec         string // h264
	Nice          int    // niceness of ffmpeg
	Output        string // the .mp4 to write; replaced if it exists
	Duration      time.Duration
	Audio         *AudioFormat      // nil = no sound
	Metadata      map[string]string // title, comment, creation_time and so on
}

// AudioFormat is that of signed 16-bit little-endian PCM.
type AudioFormat struct {
	Rate     int // samples a second
	Channels int
}

// Report tells what was encoded; [Tool.Verify] holds the file against it.
type Report struct {
	Frames   int
	Duration time.Duration // of the video as it must be
	Slot     time.Duration // tolerance of Duration
	Width    int
	Height   int
	Samples  []Sample
	Audio    bool
	Bytes    int64         // size of the file
	CPU      time.Duration // of ffmpeg
}

// stall is how long ffmpeg may take nothing of what it is offered, and
// finishing how long it may take to end a file.
const (
	stall     = 60 * time.Second
	finishing = 10 * time.Minute
)

// errStalled says that ffmpeg stands still.
var errStalled = errors.New("ffmpeg makes no progress")

// Encoder is an ffmpeg at work. Its methods are called from one goroutine.
type Encoder struct {
	opt     Options
	ffmpeg  *child
	pipe    *os.File
	mux     muxer
	planes  *planes
	samples sampler
	frames  int
	last    time.Duration
	heard   time.Duration // end of the sound so far
	closed  bool
}

// Start runs ffmpeg. The caller must call Close or Abort.
func (t *Tool) Start(ctx context.Context, opt Options) (*Encoder, error) {
	if opt.Width <= 0 || opt.Height <= 0 || opt.Width%2 != 0 || opt.Height%2 != 0 {
		return nil, fmt.Errorf("video: %d×%d is no size for a video", opt.Width, opt.Height)
	}
	if opt.FPS <= 0 {
		return nil, fmt.Errorf("video: %d frames a second", opt.FPS)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	defer r.Close() // ffmpeg has it
	// A larger pipe saves switches between the processes; it is no must.
	if raw, err := w.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
	c, err := t.start(ctx, opt.Nice, r, nil, t.arguments(opt)...)
	if err != nil {
		w.Close()
		return nil, err
	}
	e := &Encoder{opt: opt, ffmpeg: c, pipe: w, mux: muxer{w: w}, planes: newPlanes(opt.Width, opt.Height)}
	if err := e.write(func() error { return e.mux.header(opt.Width, opt.Height, e.slot(), opt.Audio) }); err != nil {
		e.Abort()
		return nil, err
	}
	return e, nil
}

func (e *Encoder) slot() time.Duration { return time.Second / time.Duration(e.opt.FPS) }

// x264's settings for screens; docs/PERFORMANCE.md has the measurements.
//   - Motion is of whole pixels, so sub-pixel search finds nothing (subme=0),
//     and there are no fades to weigh.
//   - Menus, windows and carets come back: four references find them again.
//   - Small blocks suit text; strong adaptive quantisation of mode 2 gives
//     flat areas their due, and small dead zones keep faint detail.
//   - The lookahead tells what will stay on the screen and deserves bits.
//   - Without force-cfr x264 spends more on pictures that stay for long.
//   - Keyframes come with large changes or every 600 frames.
const x264 = "subme=0:bframes=0:weightp=0:ref=4:partitions=p8x8,i4x4:8x8dct=1:" +
	"mbtree=1:rc-lookahead=20:qcomp=0.65:aq-mode=2:aq-strength=1.25:" +
	"deadzone-inter=15:deadzone-intra=6:chroma-qp-offset=3:keyint=600:force-cfr=1"

// arguments of an encoding ffmpeg.
func (t *Tool) arguments(opt Options) []string {
	args := []string{"-f", "matroska", "-probesize", "32", "-analyzeduration", "0", "-i", "pipe:0", "-map", "0:v:0"}
	if opt.Audio != nil {
		args = append(args, "-map", "0:a:0", "-c:a", "aac", "-b:a", "96k")
	}
	args = append(args, t.passthrough...)
	args = append(args, "-enc_time_base:v", "1:1000",
		"-c:v", "libx264", "-profile:v", "high", "-pix_fmt", "yuv420p", "-preset", "superfast", "-crf", strconv.Itoa(opt.CRF),
		"-x264-params", x264, "-threads", "1",
		"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
	for _, key := range slices.Sorted(maps.Keys(opt.Metadata)) {
		args = append(args, "-metadata", key+"="+opt.Metadata[key])
	}
	return append(args, "-movflags", "+faststart", "-f", "mp4", "-y", "file:"+opt.Output)
}

// Frame encodes img, to be shown from at on. Times are whole milliseconds
// and strictly increase. Only damage, what differs from the frame before, is
// looked at; the first frame is looked at whole.
func (e *Encoder) Frame(at time.Duration, img *image.RGBA, damage []image.Rectangle) error {
	if e.frames == 0 {
		damage = []image.Rectangle{img.Rect}
	} else if at.Truncate(time.Millisecond) <= e.last {
		return fmt.Errorf("video: frame at %s after one at %s", at, e.last)
	}
	for _, r := range damage {
		e.planes.convert(img, r)
	}
	e.samples.see(e.frames, at, e.planes.luma())
	e.frames++
	e.last = at.Truncate(time.Millisecond)
	return e.write(func() error { return e.mux.block(videoTrack, at, e.planes.pix) })
}

// maxAudioBlock bounds one block of sound, in bytes.
const maxAudioBlock = 32 << 10

// Audio adds sound that begins at a time; what is between it and the sound
// before becomes silence, what overlaps is dropped.
func (e *Encoder) Audio(at time.Duration, pcm []byte) error {
	if e.opt.Audio == nil {
		return errors.New("video: sound for a video without")
	}
	frame := 2 * e.opt.Audio.Channels
	if gap := at - e.heard; gap > 0 {
		// Silence up to here; a second at a time.
		for left := e.pcmBytes(gap); left > 0; {
			n := min(left, e.pcmBytes(time.Second))
			if err := e.sound(make([]byte, n)); err != nil {
				return err
			}
			left -= n
		}
	} else if skip := e.pcmBytes(-gap); gap < -50*time.Millisecond {
		pcm = pcm[min(skip, len(pcm)):]
	}
	for len(pcm) >= frame {
		n := min(len(pcm)/frame*frame, maxAudioBlock/frame*frame)
		if err := e.sound(pcm[:n]); err != nil {
			return err
		}
		pcm = pcm[n:]
	}
	return nil
}

func (e *Encoder) pcmBytes(d time.Duration) int {
	samples := int64(d) * int64(e.opt.Audio.Rate) / int64(time.Second)
	return int(samples) * 2 * e.opt.Audio.Channels
}

func (e *Encoder) sound(pcm []byte) error {
	at := e.heard
	samples := len(pcm) / 2 / e.opt.Audio.Channels
	e.heard += time.Duration(int64(samples) * int64(time.Second) / int64(e.opt.Audio.Rate))
	return e.write(func() error { return e.mux.block(audioTrack, at, pcm) })
}

// write does one write to ffmpeg and tells why it failed.
func (e *Encoder) write(do func() error) error {
	_ = e.pipe.SetWriteDeadline(time.Now().Add(stall))
	err := do()
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errStalled
		e.ffmpeg.stop(errStalled)
	}
	// ffmpeg closed its end: why, it says when it ends.
	e.pipe.Close()
	if end := e.ffmpeg.wait(); end != nil {
		err = end
	} else {
		err = fmt.Errorf("ffmpeg ended early: %w", err)
	}
	e.closed = true
	os.Remove(e.opt.Output)
	return err
}

// Close ends the video and waits for ffmpeg. On an error no file is left.
func (e *Encoder) Close() (Report, error) {
	if e.closed {
		return Report{}, errors.New("video: the encoder has ended")
	}
	e.closed = true
	e.pipe.Close()
	late := time.AfterFunc(finishing, func() { e.ffmpeg.stop(errStalled) })
	defer late.Stop()
	if err := e.ffmpeg.wait(); err != nil {
		os.Remove(e.opt.Output)
		return Report{}, err
	}
	st, err := os.Stat(e.opt.Output)
	if err != nil {
		return Report{}, fmt.Errorf("video: ffmpeg left no file: %w", err)
	}
	return Report{
		Frames: e.frames, Duration: max(e.opt.Duration, e.slot()), Slot: e.slot(), Width: e.opt.Width, Height: e.opt.Height,
		Samples: e.samples.finish(e.frames-1, e.last, e.planes.luma()), Audio: e.opt.Audio != nil && e.heard > 0,
		Bytes: st.Size(), CPU: e.ffmpeg.cpu(),
	}, nil
}

// Abort kills ffmpeg and removes the file. After Close it does nothing.
func (e *Encoder) Abort() {
	if e.closed {
		return
	}
	e.closed = true
	e.ffmpeg.stop(context.Canceled)
	e.pipe.Close()
	_ = e.ffmpeg.wait()
	os.Remove(e.opt.Output)
}
