package render

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Plan is a recording that has been read once and can be converted.
type Plan struct {
	Recording *recording.Recording
	Parts     []guac.Summary
	Timeline  guac.Timeline
	Source    string // hex SHA-256 of the recording's uncompressed content
	Started   time.Time
	Warnings  []string
	Missing   []string // those of Warnings about content that the video will not show
	Cut       []string // those of Missing about a recording that is truncated or damaged

	limits  guac.Limits       // the limits that it was read with
	refused *guac.ScreenError // for a screen that is too large to be drawn
}

// ErrCut is returned by [Scan] in strict mode for a recording whose compressed data
// is incomplete: it is still being written, truncated or damaged.
var ErrCut = errors.New("the recording is not whole")

// ScanOptions configure [Scan].
type ScanOptions struct {
	// Strict makes truncated or damaged compressed data an error ([ErrCut]) instead
	// of a warning. An agent must not replace a recording that may still grow.
	Strict bool
	// Progress, if not nil, is called with the bytes read so far and in total.
	Progress func(done, total int64)
	// Pace is as in [Options].
	Pace func(ctx context.Context, worked time.Duration) error
}

// Scan reads all parts of rec once without drawing. It returns [ErrCut], guac's
// errors for content that is not a Guacamole dump, or I/O errors. If there are
// several parts, empty ones are ignored. A *guac.ScreenError means that there is
// not enough memory for the recording's screen.
func Scan(ctx context.Context, rec *recording.Recording, opt ScanOptions) (*Plan, error) {
	whole := *rec
	whole.Parts = nil
	plan := &Plan{Recording: &whole, Started: rec.Started(), limits: guac.DefaultLimits.Within(freeMemory())}
	if err := plan.tellGaps(rec, opt.Strict); err != nil {
		return nil, err
	}
	hash := sha256.New()
	var done int64
	var empty error // of empty parts
	var timeless []string
	for _, part := range rec.Parts {
		summary, damage, err := plan.scanPart(ctx, part, newPacer(ctx, opt.Pace))
		if damage != nil && opt.Strict && !errors.Is(damage, recording.ErrTrailing) {
			return nil, fmt.Errorf("%s: %w: %w", part.Name, ErrCut, damage)
		}
		done += part.Size
		if opt.Progress != nil {
			opt.Progress(done, rec.Size)
		}
		if holdsNothing(err) && len(rec.Parts) > 1 {
			empty = cmp.Or(empty, err)
			plan.miss("%s: left out: %v", part.Name, err)
			continue
		}
		if err != nil {
			return nil, plan.about(part, err)
		}
		if err := plan.refuse(summary.Refused); err != nil {
			return nil, plan.about(part, err)
		}
		plan.tellPart(part, summary, damage)
		if summary.Syncs == 0 && summary.Draws > 0 {
			timeless = append(timeless, part.Name)
		}
		whole.Parts, plan.Parts = append(whole.Parts, part), append(plan.Parts, summary)
		hash.Write(summary.SHA256[:])
	}
	if len(plan.Parts) == 0 {
		return nil, empty
	}
	if len(timeless) > 0 {
		plan.miss("%d of %d parts have no time, so that what they show is left out: %s", len(timeless), len(rec.Parts), some(timeless))
	}
	for _, name := range rec.Unlisted {
		plan.miss("%s: a part that the index does not list is left out", name)
	}
	plan.Source = hex.EncodeToString(hash.Sum(nil))
	plan.Timeline = guac.NewTimeline(plan.Parts)
	plan.Warnings = append(plan.Warnings, plan.Timeline.Remarks()...)
	return plan, nil
}

// refuse records a screen that cannot be drawn. If there is not enough memory for
// it, refuse returns an error, because there may be enough another time.
func (p *Plan) refuse(screen image.Point) error {
	if screen == (image.Point{}) {
		return nil
	}
	err := &guac.ScreenError{Width: screen.X, Height: screen.Y, Most: p.limits.MaxScreen}
	if guac.DefaultLimits.Allows(screen.X, screen.Y) {
		return err
	}
	p.miss("%v", err)
	p.refused = err
	return nil
}

// some lists the first of many names.
func some(names []string) string {
	const shown = 3
	if len(names) > shown {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// miss adds a warning about content that the video will not show.
func (p *Plan) miss(format string, args ...any) {
	p.warn(format, args...)
	p.Missing = append(p.Missing, p.Warnings[len(p.Warnings)-1])
}

// Duration returns the length of the video.
func (p *Plan) Duration() time.Duration { return p.Timeline.Duration() }

// Size returns the size of the screen: the largest display size of the session,
// rounded up to even numbers of pixels.
func (p *Plan) Size() (width, height int) {
	for _, s := range p.Parts {
		width, height = max(width, s.Width), max(height, s.Height)
	}
	return width + width&1, height + height&1
}

// fit returns an even size that fits into limit, either way round: the same, or a
// smaller one with the same proportions.
func fit(size, limit image.Point) image.Point {
	long, short := max(limit.X, limit.Y), min(limit.X, limit.Y)
	box := image.Pt(long, short)
	if size.X < size.Y {
		box = image.Pt(short, long)
	}
	if size.X <= box.X && size.Y <= box.Y {
		return size
	}
	even := func(n float64) int { return max(2, int(n/2+0.5)*2) }
	f := min(float64(box.X)/float64(size.X), float64(box.Y)/float64(size.Y))
	return image.Pt(min(even(f*float64(size.X)), box.X&^1), min(even(f*float64(size.Y)), box.Y&^1))
}

// plain returns the recording's uncompressed size in bytes.
func (p *Plan) plain() (size int64) {
	for _, part := range p.Parts {
		size += part.Bytes
	}
	return size
}

// stored returns how much of a disk the recording takes. A file with a size larger
// than its content does not count with its size.
func (p *Plan) stored() int64 { return min(p.Recording.Size, p.plain()) }

// audio returns the format of the sound track, nil if there is no sound: the best
// format in the recording, at most stereo.
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
