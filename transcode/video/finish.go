package video

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
)

// finish joins pictures, sound, chapters and poster into the MP4.
func (e *Encoder) finish() (Report, error) {
	if e.frames == 0 {
		return Report{}, fmt.Errorf("video: no frames")
	}
	codec, err := codecFor(e.opt)
	if err != nil {
		return Report{}, err
	}
	heard := e.sound != nil && e.sound.heard > 0
	duration := max(e.opt.Duration, e.opt.slot())
	chapters := e.active.chapters(duration)
	report := Report{
		Frames: e.frames, Duration: duration, Slot: e.opt.slot(), Width: e.opt.Width, Height: e.opt.Height, Codec: codec.stream,
		Samples: e.samples.finish(e.frames-1, e.last, e.planes), Audio: heard, Chapters: len(chapters),
	}
	// Decoding takes a second or so per thousand frames, and ffmpeg's start as
	// long as a hundred: it starts while the encoder still works, and decodes
	// while the pictures are joined with the rest. Sound is decoded with the whole.
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	var witness *witness
	if e.track.proves() && !heard {
		if witness, err = e.tool.witness(ctx, report.Samples); err != nil {
			return Report{}, err
		}
		defer witness.abort()
	}
	cpu, err := e.track.close()
	if err != nil {
		return Report{}, err
	}
	if e.sound != nil {
		if err := e.sound.ffmpeg.close(); err != nil {
			return Report{}, err
		}
		cpu += e.sound.ffmpeg.child.cpu()
	}
	if err := os.WriteFile(e.chaptersFile(), ffmetadata(chapters, e.opt.Started), 0o600); err != nil {
		return Report{}, fmt.Errorf("video: %w", err)
	}
	if err := e.poster.write(e.posterFile()); err != nil {
		return Report{}, fmt.Errorf("video: %w", err)
	}
	decoded := make(chan error, 1)
	if witness == nil {
		decoded <- nil
	} else {
		report.proof = e.track.proof()
		go func() { decoded <- witness.see(e.picturesFile()) }()
	}
	joined, err := e.join(codec, heard)
	if err != nil {
		stop()
		<-decoded //nolint:errcheck // why it ended is known
		return Report{}, err
	}
	if report.decoded = <-decoded; e.ctx.Err() != nil {
		return Report{}, context.Cause(e.ctx)
	}
	st, err := os.Stat(e.opt.Output)
	if err != nil {
		return Report{}, fmt.Errorf("video: ffmpeg left no file: %w", err)
	}
	report.Bytes, report.CPU = st.Size(), cpu+joined
	return report, nil
}

// join makes the MP4 and answers the processor time that took.
func (e *Encoder) join(codec codec, heard bool) (time.Duration, error) {
	join, err := e.tool.feed(e.ctx, e.opt.Nice, nil, e.joinArguments(codec, heard)...)
	if err != nil {
		return 0, err
	}
	if err := join.close(); err != nil {
		return 0, err
	}
	return join.child.cpu(), nil
}

func (e *Encoder) joinArguments(codec codec, heard bool) []string {
	args := []string{"-f", "matroska", "-i", "file:" + e.picturesFile(), "-f", "ffmetadata", "-i", "file:" + e.chaptersFile(),
		"-f", "image2", "-c:v", "mjpeg", "-i", e.posterFile()}
	if heard {
		args = append(args, "-f", "mp4", "-i", "file:"+e.soundFile())
	}
	args = append(args, "-map", "0:v:0")
	if heard {
		args = append(args, "-map", "3:a:0")
	}
	args = append(args, "-map", "2:v:0", "-disposition:v:1", "attached_pic", "-map_chapters", "1", "-map_metadata", "1", "-c", "copy",
		"-bsf:v:0", "setts=pts=PTS:dts=PTS") // there are no B frames, but ffmpeg would guess
	if codec.tag != "" {
		args = append(args, "-tag:v:0", codec.tag)
	}
	for _, key := range slices.Sorted(maps.Keys(e.opt.Metadata)) {
		args = append(args, "-metadata", key+"="+plainText(e.opt.Metadata[key]))
	}
	return append(args, "-movflags", "+faststart", "-f", "mp4", "-y", "file:"+e.opt.Output)
}

// plainText is text as it may become an argument of ffmpeg's: without control
// characters, and not longer than a program's argument can be.
func plainText(text string) string {
	const most = 4096 // bytes
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text), "")
}

// idle is how long nothing changes between two periods of activity.
const idle = time.Minute

// chapter is a period of activity and what follows up to the next.
type chapter struct {
	from, active, to time.Duration // active is when the last change was
}

// activity collects when something changed.
type activity struct {
	periods []chapter
}

// maxChapters bounds the table of contents; more is no help to anybody.
const maxChapters = 1000

func (a *activity) see(at time.Duration) {
	n := len(a.periods)
	if n == 0 || at-a.periods[n-1].active > idle && n < maxChapters {
		a.periods = append(a.periods, chapter{from: at, active: at})
		return
	}
	a.periods[n-1].active = at
}

// chapters are the periods, each lasting until the next.
func (a *activity) chapters(duration time.Duration) []chapter {
	for i := range a.periods {
		a.periods[i].to = duration
		if i+1 < len(a.periods) {
			a.periods[i].to = a.periods[i+1].from
		}
	}
	return a.periods
}

// ffmetadata is the chapters as ffmpeg reads them. Their names say when there
// was activity: the time of day where it is known, else the time in the video.
func ffmetadata(chapters []chapter, started time.Time) []byte {
	name := func(d time.Duration) string {
		if started.IsZero() {
			d = d.Truncate(time.Second)
			return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
		}
		return started.Add(d).UTC().Format("15:04:05")
	}
	zone := ""
	if !started.IsZero() {
		zone = " UTC"
	}
	b := []byte(";FFMETADATA1\n")
	for _, c := range chapters {
		b = fmt.Appendf(b, "[CHAPTER]\nTIMEBASE=1/1000\nSTART=%d\nEND=%d\ntitle=Active %s – %s%s\n",
			c.from.Milliseconds(), max(c.to, c.from+time.Millisecond).Milliseconds(), name(c.from), name(c.active), zone)
	}
	return b
}
