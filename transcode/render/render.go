// Package render turns one recording into one verified MP4. It joins the
// packages that do the work and know nothing of each other: recording opens
// the parts, guac draws them, video encodes and checks the pictures.
//
// # Steps
//
// [Scan] reads the recording once without drawing and answers a [Plan]: size,
// duration, sound, and the hash that identifies its content. [Plan.Encode]
// draws and encodes into a temporary file, decodes its pictures again and
// compares them with what was drawn; [Video.Verify] tells whether they were
// good, and shows that the file holds those very pictures. Nothing may leave
// the work folder before Verify has answered nil.
package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/klauspost/readahead"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Options say how a recording becomes a video.
type Options struct {
	Tool    *video.Tool // the ffmpeg to use
	FPS     int         // most frames a second
	CRF     int         // encoder quality
	Codec   string      // encoder name
	Audio   bool        // keep the sound
	Nice    int         // niceness of ffmpeg
	Agent   string      // name and version for the MP4's metadata
	Session string      // id for the MP4's metadata; "" = what the recording says, if that is an id
	Seal    seal.Key    // seals the MP4; the zero Key seals nothing
	Workers int         // image decoders at once; 0 = one per processor

	// Pace, when not nil, is told time and again how long was worked, and
	// returns when work may go on.
	Pace func(ctx context.Context, worked time.Duration) error
}

// Progress tells how far drawing has come. Work goes with bytes, not with
// time: an idle hour is nothing, a busy minute is much.
type Progress struct {
	Done  time.Duration // on the recording's time axis
	Bytes int64         // drawn, uncompressed
	Total int64         // bytes of the recording
}

// Fraction is the part of the work that is done, 0 to 1.
func (p Progress) Fraction() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(float64(p.Bytes)/float64(p.Total), 1)
}

// Plan is a recording that has been read once and found convertible.
type Plan struct {
	Recording *recording.Recording
	Parts     []guac.Summary
	Timeline  guac.Timeline
	Source    string // hex SHA-256 of the recording's uncompressed content
	Started   time.Time
	Warnings  []string
	Missing   []string // those of Warnings that tell of what the video will not show
}

// ErrCut is returned by [Scan] in strict mode for a recording whose gzip
// stream ends before its end: it is still being written, or was cut.
var ErrCut = errors.New("the recording ends in the middle of its compressed data")

// ScanOptions bound and direct [Scan].
type ScanOptions struct {
	// Strict makes a cut gzip stream an error ([ErrCut]) instead of a
	// warning. An agent must not replace a recording that may still grow.
	Strict bool
	// Progress, when not nil, is told the bytes read so far and in all.
	Progress func(done, total int64)
	// Pace is as in [Options].
	Pace func(ctx context.Context, worked time.Duration) error
}

// Scan reads all parts of rec once without drawing. It returns [ErrCut],
// guac's errors for content that is no Guacamole dump, or I/O errors.
func Scan(ctx context.Context, rec *recording.Recording, opt ScanOptions) (*Plan, error) {
	plan := &Plan{Recording: rec, Started: rec.Started()}
	hash := sha256.New()
	var done int64
	for _, part := range rec.Parts {
		summary, cut, err := scanPart(ctx, part, newPacer(ctx, opt.Pace))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.Name, err)
		}
		if cut && opt.Strict {
			return nil, fmt.Errorf("%s: %w", part.Name, ErrCut)
		}
		if cut {
			plan.warn("%s: the compressed data is cut; converted what is there", part.Name)
		} else if summary.Truncated {
			plan.warn("%s: ends in the middle of an instruction; converted what is there", part.Name)
		}
		if summary.Syncs == 0 && summary.Draws > 0 {
			plan.miss("%s: it has no time at all, so that nothing in it is shown", part.Name)
		}
		plan.Parts = append(plan.Parts, summary)
		hash.Write(summary.SHA256[:])
		done += part.Size
		if opt.Progress != nil {
			opt.Progress(done, rec.Size)
		}
	}
	for _, name := range rec.Unlisted {
		plan.miss("%s: a part that the index does not list is left out", name)
	}
	plan.Source = hex.EncodeToString(hash.Sum(nil))
	plan.Timeline = guac.NewTimeline(plan.Parts)
	return plan, nil
}

func scanPart(ctx context.Context, part recording.Part, pace *pacer) (_ guac.Summary, cut bool, err error) {
	r, err := part.Open()
	if err != nil {
		return guac.Summary{}, false, err
	}
	defer r.Close()
	unpacked, err := readahead.NewReaderSize(r, 4, 256<<10) // on another processor than parsing
	if err != nil {
		return guac.Summary{}, false, err
	}
	defer unpacked.Close()
	watched := &cutReader{ctx: ctx, r: unpacked, pace: pace}
	summary, err := guac.Scan(watched, guac.DefaultLimits)
	return summary, watched.cut, err
}

// cutReader ends a cut gzip stream like a complete one and remembers it, and
// stops when its context does.
type cutReader struct {
	ctx  context.Context
	r    io.Reader
	pace *pacer // may be nil
	cut  bool
}

func (c *cutReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	if err := c.pace.rest(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		c.cut, err = true, io.EOF
	}
	return n, err
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// miss warns of something in the recording that the video will not show.
func (p *Plan) miss(format string, args ...any) {
	p.warn(format, args...)
	p.Missing = append(p.Missing, p.Warnings[len(p.Warnings)-1])
}

// Duration is the length of the video to come.
func (p *Plan) Duration() time.Duration { return p.Timeline.Duration() }

// Size is the canvas: the largest display size of the session, rounded up to
// even numbers of pixels.
func (p *Plan) Size() (width, height int) {
	for _, s := range p.Parts {
		width, height = max(width, s.Width), max(height, s.Height)
	}
	return width + width&1, height + height&1
}

// plain is the recording's size uncompressed, in bytes.
func (p *Plan) plain() (size int64) {
	for _, part := range p.Parts {
		size += part.Bytes
	}
	return size
}

// stored is what the recording takes of a disk. What a file claims that holds
// less does not count.
func (p *Plan) stored() int64 { return min(p.Recording.Size, p.plain()) }

// audio is the format of the sound track, nil when there is no sound: the best
// that the recording has, in stereo at most.
func (p *Plan) audio() *video.AudioFormat {
	var best *video.AudioFormat
	for _, s := range p.Parts {
		for _, track := range s.Audio {
			if best == nil {
				best = &video.AudioFormat{}
			}
			best.Rate, best.Channels = max(best.Rate, min(track.Rate, 48000)), max(best.Channels, min(track.Channels, 2))
		}
	}
	return best
}

// Video is an encoded MP4 that has yet to be verified.
type Video struct {
	Path          string
	Width, Height int
	Frames        int
	Duration      time.Duration
	Bytes         int64
	CPU           time.Duration // of ffmpeg
	Warnings      []string      // of the scan and of drawing
	Missing       []string      // those for which the recording may hold more than the video shows

	tool   *video.Tool
	report video.Report
}

// Encode draws the recording and encodes it to the file out, which must not
// exist. On an error nothing is left there. Errors: guac.ErrNothingDrawn,
// guac.ErrTooCostly, those of video, I/O errors.
func (p *Plan) Encode(ctx context.Context, out string, opt Options, progress func(Progress)) (*Video, error) {
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("render: %s is in the way", out)
	}
	width, height := p.Size()
	if width == 0 || height == 0 {
		return nil, guac.ErrNothingDrawn
	}
	settings := video.Options{
		Width: width, Height: height, FPS: opt.FPS, CRF: opt.CRF, Codec: opt.Codec, Nice: opt.Nice,
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
	if err == nil && fallback != "" {
		made.Warnings = append(made.Warnings, fallback)
	}
	return made, err
}

// softwareCodec is what is encoded when nothing else works.
const softwareCodec = "h264"

// choose tries another codec than the default by encoding some frames, and
// falls back with a warning.
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
	parts, play := p.guacParts(ctx), guac.Options{
		FPS: opt.FPS, Width: settings.Width, Height: settings.Height, Workers: opt.Workers, Stored: p.stored(),
	}
	// What is drawn is counted, and with it what that takes to encode. The second
	// line of defence is time of the processor, which the kernel counts for each
	// ffmpeg, and guac for the thread that draws: other recordings that are in
	// work, rests, and a busy host do not count.
	tool := opt.Tool.Paced(opt.Pace).Bounded(time.Minute + slowest*time.Duration(guac.Allowed(parts, play)))
	encoder, err := tool.Start(ctx, settings)
	if err != nil {
		return nil, err
	}
	defer encoder.Abort() // no effect after Close
	total := p.plain()
	stats, err := guac.Play(ctx, parts, play,
		sink{encoder, settings.Audio, newPacer(ctx, opt.Pace)}, func(done time.Duration, bytes int64) {
			if progress != nil {
				progress(Progress{Done: done, Bytes: bytes, Total: total})
			}
		})
	if err != nil {
		return nil, tooCostly(err)
	}
	missing := append(slices.Clone(p.Missing), stats.Missing...)
	encoder.Describe(p.mark(opt, len(missing) > 0).metadata(opt.Seal.CanSeal()))
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
		Bytes: report.Bytes, CPU: report.CPU, Warnings: append(slices.Clone(p.Warnings), stats.Warnings...), Missing: missing,
		tool: tool, report: report,
	}, nil
}

// slowest is how many nanoseconds a slow machine takes for what is one on an
// ordinary one.
const slowest = 4

// tooCostly makes one kind of all errors about recordings that take too much.
func tooCostly(err error) error {
	if errors.Is(err, video.ErrTooLong) {
		return fmt.Errorf("%w: %w", guac.ErrTooCostly, err)
	}
	return err
}

// Play draws the recording for another sink than the encoder, frame by frame
// as Encode does.
func (p *Plan) Play(ctx context.Context, fps int, to guac.Sink) error {
	width, height := p.Size()
	_, err := guac.Play(ctx, p.guacParts(ctx), guac.Options{FPS: fps, Width: width, Height: height, Stored: p.stored()}, to, nil)
	return err
}

// Verify tells whether the file is what was drawn: frame count, duration,
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
	if err := s.encoder.Frame(f.Time, f.Image, f.Damage); err != nil {
		return err
	}
	return s.pace.rest()
}

func (s sink) Audio(c guac.AudioChunk) error {
	if s.audio == nil {
		return nil // dropped by choice
	}
	return s.encoder.Audio(c.Time, video.AudioFormat{Rate: c.Rate, Channels: c.Channels}, c.PCM)
}
