package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// cuesADay is the approximate number of subtitles per day of video: one per second.
const cuesADay = 24 * 60 * 60

// cues returns the subtitles that show the time of day at each time of the video,
// and user and asset. If the time of day is unknown, they show the time in the
// recording.
func (p *Plan) cues(length time.Duration, spots []leftOut) []video.Cue {
	start := p.clockStart()
	who := p.who()
	step := time.Second * time.Duration(1+int(length.Seconds())/cuesADay)
	text := func(recorded time.Duration) string {
		if start.IsZero() {
			d := recorded.Truncate(time.Second)
			return fmt.Sprintf("%d:%02d:%02d%s", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, who)
		}
		return start.Add(recorded).UTC().Format("2006-01-02 15:04:05 UTC") + who
	}
	var cues []video.Cue
	var gone time.Duration
	for at := time.Duration(0); at < length; {
		for len(spots) > 0 && spots[0].at <= at {
			gone, spots = gone+spots[0].by, spots[1:]
		}
		// Up to the next whole second of the clock.
		now := start.Add(at + gone)
		next := at + now.Truncate(step).Add(step).Sub(now)
		if len(spots) > 0 {
			next = min(next, spots[0].at)
		}
		next = min(next, length)
		if next-at >= time.Millisecond {
			cues = append(cues, video.Cue{From: at, To: next, Text: text(at + gone)})
		}
		at = next
	}
	return cues
}

// clockStart returns the time of day at the beginning of the video: that of guacd's
// clock if it has one, or else the start of the session; zero if neither is known.
func (p *Plan) clockStart() time.Time {
	for _, part := range p.Parts {
		if part.Syncs == 0 {
			continue
		}
		first := time.UnixMilli(part.First).UTC()
		if first.Year() < 2010 || first.Year() > 2100 { // since guacd's host was started
			break
		}
		return first
	}
	return p.Started
}

// who returns the user and the asset, as far as they are known, after a space.
func (p *Plan) who() string {
	about := p.Recording.About
	var names []string
	for _, name := range []string{about.User, about.Asset} {
		if name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "  " + strings.Join(names, " → ")
}
