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

// finish muxes pictures, sound, chapters and poster into the MP4.
func (e *Encoder) finish() (Report, error) {
	if e.frames == 0 {
		return Report{}, fmt.Errorf("video: no frames")
	}
	codec, err := codecFor(e.opt)
	if err != nil {
		return Report{}, err
	}
	hasSound := e.sound != nil && e.sound.present
	duration := e.opt.length()
	chapters := e.activity.chapters(duration)
	report := Report{
		Frames: e.frames, Duration: duration, Slot: e.opt.slot(), Width: e.opt.Width, Height: e.opt.Height, Codec: codec.name,
		Samples: e.sampler.finish(e.frames-1, e.last, e.planes), Audio: hasSound, Chapters: len(chapters),
	}
	// Decoding takes about a second per thousand frames; starting ffmpeg takes as
	// long as a hundred frames. So the decoder starts while the encoder is still
	// working, and decodes while the pictures are muxed. A video with sound is
	// decoded as a whole later.
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	var piped *pipedDecoder
	if e.track.hasDigest() && !hasSound {
		if piped, err = e.tool.startPipedDecoder(ctx, report.Samples); err != nil {
			return Report{}, err
		}
		defer piped.abort()
	}
	cpu, err := e.track.close()
	if err != nil {
		return Report{}, err
	}
	if e.sound != nil {
		if err := e.sound.close(); err != nil {
			return Report{}, err
		}
		cpu += e.sound.ffmpeg.child.cpu()
	}
	if err := os.WriteFile(e.chaptersFile(), ffmetadata(chapters, e.opt.Started), 0o600); err != nil {
		return Report{}, fmt.Errorf("video: %w", err)
	}
	if err := e.writeCues(); err != nil {
		return Report{}, fmt.Errorf("video: %w", err)
	}
	if err := e.poster.write(e.posterFile()); err != nil {
		return Report{}, fmt.Errorf("video: %w", err)
	}
	decodeDone := make(chan error, 1)
	if piped == nil {
		decodeDone <- nil
	} else {
		report.digest = e.track.digest()
		go func() { decodeDone <- piped.decodeFile(e.picturesFile()) }()
	}
	joinCPU, err := e.join(codec, hasSound)
	if err != nil {
		cancel()
		<-decodeDone //nolint:errcheck // the cause is err
		return Report{}, err
	}
	if report.decodeErr = <-decodeDone; e.ctx.Err() != nil {
		return Report{}, context.Cause(e.ctx)
	}
	st, err := os.Stat(e.opt.Output)
	if err != nil {
		return Report{}, fmt.Errorf("video: ffmpeg wrote no file: %w", err)
	}
	report.Bytes, report.CPU = st.Size(), cpu+joinCPU
	return report, nil
}

// join muxes the MP4 and returns the CPU time.
func (e *Encoder) join(codec codec, hasSound bool) (time.Duration, error) {
	join, err := e.tool.startPiped(e.ctx, StepJoin, e.opt.Nice, nil, e.joinArgs(codec, hasSound)...)
	if err != nil {
		return 0, err
	}
	if err := join.close(); err != nil {
		return 0, err
	}
	if len(e.cues) > 0 {
		if err := disableSubtitles(e.opt.Output); err != nil {
			return 0, fmt.Errorf("video: %w", err)
		}
	}
	return join.child.cpu(), nil
}

func (e *Encoder) joinArgs(codec codec, hasSound bool) []string {
	args := append(matroskaInput("file:"+e.picturesFile()),
		"-f", "ffmetadata", "-i", "file:"+e.chaptersFile(), "-f", "jpeg_pipe", "-i", "file:"+e.posterFile())
	mapArgs := []string{"-map", "0:v:0"}
	inputs := 3
	if hasSound {
		args = append(args, "-f", "mp4", "-i", "file:"+e.soundFile())
		mapArgs = append(mapArgs, "-map", fmt.Sprintf("%d:a:0", inputs))
		inputs++
	}
	if len(e.cues) > 0 {
		args = append(args, "-f", "srt", "-i", "file:"+e.cuesFile())
		mapArgs = append(mapArgs, "-map", fmt.Sprintf("%d:s:0", inputs))
	}
	args = append(args, mapArgs...)
	args = append(args, "-map", "2:v:0", "-disposition:v:1", "attached_pic", "-map_chapters", "1", "-map_metadata", "1", "-c", "copy", "-c:s", "mov_text",
		"-bsf:v:0", "setts=pts=PTS:dts=PTS") // there are no B-frames, but ffmpeg would guess
	if codec.tag != "" {
		args = append(args, "-tag:v:0", codec.tag)
	}
	for _, key := range slices.Sorted(maps.Keys(e.opt.Metadata)) {
		args = append(args, "-metadata", key+"="+sanitize(e.opt.Metadata[key]))
	}
	return append(args, "-movflags", "+faststart", "-f", "mp4", "-y", "file:"+e.opt.Output)
}

// sanitize returns text that is safe as an argument of ffmpeg: without control
// characters, and not longer than an argument may be.
func sanitize(text string) string {
	const maxBytes = 4096 // bytes
	if len(text) > maxBytes {
		text = text[:maxBytes]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text), "")
}

// chapterGap is the idle time between two chapters.
const chapterGap = time.Minute

// chapter is a period of activity and the idle time up to the next one, in times of
// the video. A video may leave out idle times of the recording.
type chapter struct {
	from, to                time.Duration
	firstChange, lastChange time.Duration // in times of the recording
	skipped                 time.Duration // idle time left out, within and after the period
}

// activity collects the times of changes.
type activity struct {
	periods []chapter
	skipped time.Duration // so far
}

// maxChapters limits the list of chapters.
const maxChapters = 1000

func (a *activity) record(at time.Duration) {
	n, recorded := len(a.periods), at+a.skipped
	if n == 0 || recorded-a.periods[n-1].lastChange > chapterGap && n < maxChapters {
		a.periods = append(a.periods, chapter{from: at, firstChange: recorded, lastChange: recorded})
		return
	}
	a.periods[n-1].lastChange = recorded
}

// skip records that idle time of the recording is left out of the video.
func (a *activity) skip(by time.Duration) {
	a.skipped += by
	if n := len(a.periods); n > 0 {
		a.periods[n-1].skipped += by
	}
}

// chapters returns the periods; each lasts until the next one.
func (a *activity) chapters(duration time.Duration) []chapter {
	for i := range a.periods {
		a.periods[i].to = duration
		if i+1 < len(a.periods) {
			a.periods[i].to = a.periods[i+1].from
		}
	}
	return a.periods
}

// ffmetadata returns the chapters in the format of ffmpeg. Their titles contain the
// period of activity: as time of day if that is known, otherwise as time in the
// recording.
func ffmetadata(chapters []chapter, started time.Time) []byte {
	name := func(d time.Duration) string {
		if started.IsZero() {
			return clockTime(d)
		}
		return started.Add(d).UTC().Format("15:04:05")
	}
	zone := ""
	if !started.IsZero() {
		zone = " UTC"
	}
	b := []byte(";FFMETADATA1\n")
	for _, c := range chapters {
		b = fmt.Appendf(b, "[CHAPTER]\nTIMEBASE=1/1000\nSTART=%d\nEND=%d\ntitle=Active %s – %s%s",
			c.from.Milliseconds(), max(c.to, c.from+time.Millisecond).Milliseconds(), name(c.firstChange), name(c.lastChange), zone)
		if c.skipped > 0 {
			b = fmt.Appendf(b, " (%s of idling left out)", clockTime(c.skipped))
		}
		b = append(b, '\n')
	}
	return b
}

// clockTime formats a duration as hours, minutes and seconds.
func clockTime(d time.Duration) string {
	d = d.Truncate(time.Second)
	return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}
