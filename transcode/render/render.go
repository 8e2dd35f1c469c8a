// Package render converts one recording to one verified MP4. It connects packages
// that are independent of each other: recording opens the parts, guac draws them,
// video encodes and checks the pictures.
//
// # Steps
//
// [Scan] reads the recording once without drawing and returns a [Plan]: size,
// duration, sound, and the hash that identifies its content. [Plan.Encode] draws
// and encodes into a temporary file, decodes its pictures again and compares them
// with the drawn ones. [Video.Verify] reports whether they were equal, and checks
// that the file holds exactly these pictures. Nothing may leave the work folder
// before Verify has returned nil.
package render

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// Options say how to convert a recording.
type Options struct {
	Tool    *video.Tool // the ffmpeg to use
	FPS     int         // maximum frame rate, per second
	CRF     int         // encoder quality
	Codec   string      // encoder name
	Audio   bool        // keep the sound
	MaxSize image.Point // maximum size of the video, either way round; larger screens are scaled down; 0,0 = [DefaultMaxSize]
	Nice    int         // niceness of ffmpeg
	Agent   string      // name and version for the MP4's metadata
	Session string      // id for the MP4's metadata; "" = the recording's own, if that is a valid id
	Seal    seal.Key    // seals the MP4; the zero Key does not seal
	Workers int         // number of image decoders; 0 = one per processor

	// Clock adds subtitles that show the time of day. IdleLimit, if not 0, shortens
	// stretches in which nothing changes to that many whole milliseconds. Agents
	// use neither: their MP4s show the session as it was.
	Clock     bool
	IdleLimit time.Duration

	// Pace, if not nil, is called repeatedly with the duration of work, and returns
	// when work may continue.
	Pace func(ctx context.Context, worked time.Duration) error
}

// DefaultMaxSize is the largest size that H.264 players support, also in hardware:
// level 5.1.
var DefaultMaxSize = image.Pt(4096, 2304)

// Progress says how far drawing has come. The work depends on bytes, not on time:
// an idle hour is almost no work, a busy minute is much.
type Progress struct {
	Done  time.Duration // position on the recording's time axis
	Bytes int64         // uncompressed bytes that were drawn
	Total int64         // bytes of the recording
}

// Fraction returns the fraction of the work that is done, 0 to 1.
func (p Progress) Fraction() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(float64(p.Bytes)/float64(p.Total), 1)
}

// Video is an encoded MP4 that must still be verified.
type Video struct {
	Path          string
	Width, Height int
	Frames        int
	Duration      time.Duration
	Bytes         int64
	CPU           time.Duration // of ffmpeg
	LeftOut       time.Duration // skipped idle time, see Options
	Warnings      []string      // of the scan and of drawing
	Missing       []string      // those because of which parts of the recording may be missing in the video
	Cut           []string      // those about a recording that is truncated or damaged

	tool   *video.Tool
	report video.Report
}

// Encode draws the recording and encodes it to the file out, which must not exist.
// After an error, there is no such file. Errors: guac.ErrNothingDrawn,
// guac.ErrTooCostly, a *guac.ScreenError if no screen can be drawn, those of video,
// I/O errors.
func (p *Plan) Encode(ctx context.Context, out string, opt Options, progress func(Progress)) (*Video, error) {
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("render: %s exists already", out)
	}
	width, height := p.Size()
	if width == 0 || height == 0 {
		return nil, p.nothing()
	}
	if guac.Large(width, height) {
		if err := largeScreens.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer largeScreens.Release(1)
	}
	size := fit(image.Pt(width, height), opt.maxSize())
	settings := video.Options{
		Width: size.X, Height: size.Y, FPS: opt.FPS, CRF: opt.CRF, Codec: opt.Codec, Nice: opt.Nice,
		Output: out, Duration: p.Duration(), Started: p.Started,
	}
	if opt.Audio {
		settings.Audio = p.audio()
	}
	fallback, err := p.choose(ctx, opt.Tool, &settings)
	if err != nil {
		return nil, err
	}
	made, err := p.encode(ctx, settings, opt, progress)
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, video.ErrUnexpected):
		fallback = fmt.Sprintf("encoding every frame in full, as ffmpeg's stream is unusual: %v", err)
		settings.Plain = true
		made, err = p.encode(ctx, settings, opt, progress)
	case settings.Codec != softwareCodec && !errors.Is(err, guac.ErrNothingDrawn) && !errors.Is(err, guac.ErrTooCostly) && !errors.Is(err, syscall.ENOSPC):
		fallback = fmt.Sprintf("encoded as %s, because %s failed: %v", softwareCodec, settings.Codec, err)
		settings.Codec = softwareCodec
		made, err = p.encode(ctx, settings, opt, progress)
	}
	if errors.Is(err, guac.ErrNothingDrawn) {
		return nil, p.nothing()
	}
	if err != nil {
		return nil, err
	}
	if fallback != "" {
		made.Warnings = append(made.Warnings, fallback)
	}
	if size != image.Pt(width, height) {
		made.Warnings = append(made.Warnings, fmt.Sprintf("the screen of %d×%d pixels is shown in %d×%d: VIDEO_MAX_SIZE is %d×%d",
			width, height, size.X, size.Y, opt.maxSize().X, opt.maxSize().Y))
	}
	return made, nil
}

// nothing returns the error that says why there is no picture.
func (p *Plan) nothing() error {
	if p.refused != nil {
		return p.refused
	}
	return guac.ErrNothingDrawn
}

func (o Options) maxSize() image.Point {
	if o.MaxSize == (image.Point{}) {
		return DefaultMaxSize
	}
	return o.MaxSize
}

// softwareCodec is used if no other codec works.
const softwareCodec = "h264"

// choose tests a codec other than the default by encoding some frames, and falls
// back with a warning.
func (p *Plan) choose(ctx context.Context, tool *video.Tool, settings *video.Options) (warning string, err error) {
	if settings.Codec == "" || settings.Codec == softwareCodec {
		settings.Codec = softwareCodec
		return "", nil
	}
	err = tool.TryCodec(ctx, *settings)
	if err == nil || ctx.Err() != nil {
		return "", err
	}
	warning = fmt.Sprintf("encoded as %s, because %s cannot be used here: %v", softwareCodec, settings.Codec, err)
	settings.Codec = softwareCodec
	return warning, nil
}

func (p *Plan) encode(ctx context.Context, settings video.Options, opt Options, progress func(Progress)) (*Video, error) {
	parts, play := p.guacParts(ctx), p.playing(opt.FPS, image.Pt(settings.Width, settings.Height))
	play.Workers = opt.Workers
	// The work of drawing and encoding is counted. In addition, CPU time is
	// limited, which the kernel measures for each ffmpeg, and guac for the thread
	// that draws. Other recordings in progress, pauses, and a busy host do not
	// count.
	tool := opt.Tool.WithPace(opt.Pace).WithCPULimit(time.Minute + slowest*time.Duration(guac.Allowed(parts, play)))
	encoder, err := tool.Start(ctx, settings)
	if err != nil {
		return nil, err
	}
	defer encoder.Abort() // has no effect after Close
	total := p.plain()
	var to guac.Sink = sink{encoder, settings.Audio, newPacer(ctx, opt.Pace)}
	short := &shortener{to: to, limit: opt.IdleLimit, skip: encoder.SkipIdle, end: encoder.SetDuration, total: p.Duration(), slot: time.Second / time.Duration(opt.FPS)}
	if short.limit > 0 {
		to = short
	}
	stats, err := guac.Play(ctx, parts, play, to, func(done time.Duration, bytes int64) {
		if progress != nil {
			progress(Progress{Done: done, Bytes: bytes, Total: total})
		}
	})
	if err != nil {
		return nil, tooCostly(err)
	}
	if short.limit > 0 {
		short.finish()
	}
	if opt.Clock {
		encoder.SetSubtitles(p.cues(p.Duration()-short.gone, short.spots))
	}
	missing := append(slices.Clone(p.Missing), stats.Missing...)
	mark := p.mark(opt, len(missing) > 0)
	mark.IdleLimit, mark.LeftOut = opt.IdleLimit, short.gone
	encoder.SetMetadata(mark.metadata(opt.Seal.CanSeal()))
	report, err := encoder.Close()
	if err != nil {
		return nil, tooCostly(err)
	}
	if opt.Seal.CanSeal() {
		if err := putSeal(ctx, settings.Output, opt.Seal); err != nil {
			os.Remove(settings.Output)
			return nil, err
		}
	}
	return &Video{
		Path: settings.Output, Width: settings.Width, Height: settings.Height, Frames: report.Frames, Duration: report.Duration,
		Bytes: report.Bytes, CPU: report.CPU, LeftOut: short.gone, Warnings: append(slices.Clone(p.Warnings), stats.Warnings...), Missing: missing, Cut: p.Cut,
		tool: tool, report: report,
	}, nil
}

// slowest is how many nanoseconds a slow machine takes for work that takes one on
// an ordinary machine.
const slowest = 4

// tooCostly converts all errors about recordings that take too much to one kind.
func tooCostly(err error) error {
	if errors.Is(err, video.ErrCPULimit) {
		return fmt.Errorf("%w: %w", guac.ErrTooCostly, err)
	}
	return err
}

// Play draws the recording for another sink than the encoder, with the same frames
// as Encode.
func (p *Plan) Play(ctx context.Context, fps int, to guac.Sink) error {
	width, height := p.Size()
	_, err := guac.Play(ctx, p.guacParts(ctx), p.playing(fps, fit(image.Pt(width, height), DefaultMaxSize)), to, nil)
	return err
}

// playing returns the options for drawing the recording.
func (p *Plan) playing(fps int, size image.Point) guac.Options {
	width, height := p.Size()
	return guac.Options{FPS: fps, Width: width, Height: height, Scaled: size, Limits: p.limits, Stored: p.stored()}
}

// Verify returns nil if the file matches what was drawn: frame count, duration,
// pictures. It returns video's errors.
func (v *Video) Verify(ctx context.Context) error {
	return v.tool.Verify(ctx, v.Path, v.report)
}

func (p *Plan) guacParts(ctx context.Context) []guac.Part {
	parts := make([]guac.Part, len(p.Parts))
	for i := range parts {
		file := p.Recording.Parts[i]
		parts[i] = guac.Part{Summary: p.Parts[i], Open: func() (io.ReadCloser, error) {
			r, err := file.Open()
			if err != nil {
				return nil, err
			}
			return struct {
				io.Reader
				io.Closer
			}{&cutReader{ctx: ctx, r: r}, r}, nil
		}}
	}
	return parts
}

// sink passes frames and sound from the player to the encoder.
type sink struct {
	encoder *video.Encoder
	audio   *video.AudioFormat
	pace    *pacer
}

func (s sink) Frame(f guac.Frame) error {
	if err := s.encoder.AddFrame(f.Time, f.Image, f.Damage); err != nil {
		return err
	}
	return s.pace.rest()
}

func (s sink) Audio(c guac.AudioChunk) error {
	if s.audio == nil {
		return nil // not requested
	}
	return s.encoder.AddAudio(c.Time, c.Stream, video.AudioFormat{Rate: c.Rate, Channels: c.Channels}, c.PCM)
}
