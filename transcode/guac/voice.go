package guac

import "time"

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

// maxPending bounds the sound between two syncs, in bytes.
const maxPending = 64 << 20

func (v *voice) add(track AudioTrack, pcm []byte) {
	if len(v.pending) == 0 {
		v.track = track
	}
	if track == v.track && len(v.pending)+len(pcm) <= maxPending {
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
