package guac

import (
	"cmp"
	"slices"
	"time"
)

// voices are the sounds of a recording by their stream. guacd opens another stream
// for every sound that the remote desktop plays while one is playing, and when the
// desktop changes the format.
type voices struct {
	open map[*stream]*voice
	all  []*voice      // open ones, ones with pending sound, and ones that the next part may continue
	last time.Duration // time of the last sync
	next int           // number of the next voice
}

// maxVoices limits the number of sounds at once.
const maxVoices = 32

// add adds sound of a stream. It reports whether there is room for it.
func (v *voices) add(s *stream, pcm []byte) bool {
	one := v.open[s]
	if one == nil {
		if one = v.begin(*s.track); one == nil {
			return false
		}
		if v.open == nil {
			v.open = map[*stream]*voice{}
		}
		v.open[s] = one
	}
	return one.add(pcm)
}

// begin returns a voice for a new stream: one that played when the previous part
// ended, or a new one.
func (v *voices) begin(track AudioTrack) *voice {
	for _, one := range v.all {
		if one.left && one.track == track {
			one.left = false
			return one
		}
	}
	if len(v.all) >= maxVoices {
		return nil
	}
	one := &voice{track: track, number: v.next, before: v.last}
	v.next++
	v.all = append(v.all, one)
	return one
}

// end records that a stream has ended.
func (v *voices) end(s *stream) {
	if one := v.open[s]; one != nil {
		one.over = true
		delete(v.open, s)
	}
}

// part records that another part begins, in which each sound has another stream.
func (v *voices) part() {
	v.all = slices.DeleteFunc(v.all, func(one *voice) bool { return one.left })
	for _, one := range v.open {
		one.left = true
	}
	v.open = nil
}

// until places all sound that came before the sync at a time. It returns pieces in
// the order of time.
func (v *voices) until(at, shown time.Duration) []AudioChunk {
	v.last = at
	var pieces []AudioChunk
	for _, one := range v.all {
		if chunk, ok := one.until(at, shown); ok {
			pieces = chunk.appendTo(pieces)
		}
	}
	v.all = slices.DeleteFunc(v.all, func(one *voice) bool { return one.over })
	slices.SortStableFunc(pieces, func(a, b AudioChunk) int { return cmp.Compare(a.Time, b.Time) })
	return pieces
}

// pieceTime is the length of the pieces of sound, so that sounds at the same time
// are delivered together.
const pieceTime = 500 * time.Millisecond

// appendTo splits a chunk into pieces.
func (c AudioChunk) appendTo(pieces []AudioChunk) []AudioChunk {
	frame := 2 * c.Channels
	size := max(1, c.Rate*int(pieceTime/time.Millisecond)/1000) * frame
	begin, rest := c.Time, c.PCM
	for done := 0; len(rest) > 0; done += size / frame {
		c.Time = begin + samplesTime(done, c.Rate)
		c.PCM = rest[:min(size, len(rest))]
		rest = rest[len(c.PCM):]
		pieces = append(pieces, c)
	}
	return pieces
}

// samplesTime returns the duration of n samples.
func samplesTime(n, rate int) time.Duration {
	return time.Duration(int64(n)/int64(rate))*time.Second + time.Duration(int64(n)%int64(rate))*time.Second/time.Duration(rate)
}

// voice places the sound of a stream on the time axis. Blobs of sound have no time:
// they come between two syncs, and while the screen does not change there may be no
// sync for seconds. Sound that follows sound without a gap stays together; sound
// after silence ends at the next sync.
type voice struct {
	track   AudioTrack
	number  int
	pending []byte
	begun   bool
	start   time.Duration // start of the sound that continues without a gap
	samples int           // samples of that sound
	before  time.Duration // time of the last sync
	over    bool          // the stream has ended
	left    bool          // its part has ended
}

// slack is how far the time of arrival may differ from the sound's own clock.
const slack = 300 * time.Millisecond

// maxPending limits the sound of one stream between two syncs, in bytes.
const maxPending = 16 << 20

func (v *voice) add(pcm []byte) bool {
	if len(v.pending)+len(pcm) > maxPending {
		return false
	}
	v.pending = append(v.pending, pcm...)
	return true
}

// until places the sound that came before the sync at a time. It drops sound that
// would play before shown, or while earlier sound of the stream is still playing.
func (v *voice) until(at, shown time.Duration) (AudioChunk, bool) {
	before := v.before
	v.before = at
	frame := 2 * v.track.Channels
	pcm := v.pending
	if v.pending = nil; len(pcm) == 0 {
		return AudioChunk{}, false
	}
	n := len(pcm) / frame
	start := max(before, at-samplesTime(n, v.track.Rate))
	end := v.start + samplesTime(v.samples, v.track.Rate)
	switch {
	case v.begun && end >= before-slack && end <= at+slack:
		start = end
	case v.begun && start < end: // it came faster than it can be played
		late := min(n, int((end-start)*time.Duration(v.track.Rate)/time.Second))
		start, pcm, n = end, pcm[late*frame:], n-late
	default:
		v.start, v.samples = start, 0
	}
	v.begun = true
	v.samples += n
	return AudioChunk{Time: start, Stream: v.number, Rate: v.track.Rate, Channels: v.track.Channels, PCM: pcm}, n > 0 && start >= max(shown, 0)
}
