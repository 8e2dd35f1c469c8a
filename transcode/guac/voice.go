package guac

import (
	"cmp"
	"slices"
	"time"
)

// voices are the sounds of a recording by their format: guacd changes it when
// the remote desktop does.
type voices struct {
	by   map[AudioTrack]*voice
	last time.Duration // the last sync
}

// maxVoices bounds the formats in one recording.
const maxVoices = 8

func (v *voices) add(track AudioTrack, pcm []byte) {
	one := v.by[track]
	if one == nil {
		if len(v.by) == maxVoices {
			return
		}
		one = &voice{track: track, before: v.last}
		if v.by == nil {
			v.by = map[AudioTrack]*voice{}
		}
		v.by[track] = one
	}
	one.add(pcm)
}

// until places all that has come before the sync at a time.
func (v *voices) until(at, shown time.Duration) []AudioChunk {
	v.last = at
	var all []AudioChunk
	for _, one := range v.by {
		all = append(all, one.until(at, shown)...)
	}
	slices.SortFunc(all, func(a, b AudioChunk) int { return cmp.Compare(a.Time, b.Time) })
	return all
}

// voice gives sound its place on the time axis. Blobs of sound carry no
// time: they lie between two syncs, and while the screen is still there may
// be none for seconds. Sound that follows sound without a gap stays
// together; sound after silence ends at the sync that follows it.
type voice struct {
	track   AudioTrack
	pending []byte
	begun   bool
	end     time.Duration // of the sound placed so far
	before  time.Duration // the last sync
}

// slack is how far arrival may stray from the sound's own clock.
const slack = 300 * time.Millisecond

// maxPending bounds the sound of one format between two syncs, in bytes.
const maxPending = 16 << 20

func (v *voice) add(pcm []byte) {
	if len(v.pending)+len(pcm) <= maxPending {
		v.pending = append(v.pending, pcm...)
	}
}

// until places what has come before the sync at a time; what lies before
// shown is dropped.
func (v *voice) until(at, shown time.Duration) []AudioChunk {
	before := v.before
	v.before = at
	if len(v.pending) == 0 {
		return nil
	}
	pcm := v.pending
	v.pending = nil
	length := v.duration(len(pcm))
	start := max(before, at-length)
	if v.begun && v.end >= before-slack && v.end <= at+slack {
		start = v.end
	}
	v.begun, v.end = true, start+length
	if start < max(shown, 0) {
		return nil
	}
	return []AudioChunk{{Time: start, Rate: v.track.Rate, Channels: v.track.Channels, PCM: pcm}}
}

func (v *voice) duration(bytes int) time.Duration {
	samples := bytes / 2 / v.track.Channels
	return time.Duration(samples) * time.Second / time.Duration(v.track.Rate)
}
