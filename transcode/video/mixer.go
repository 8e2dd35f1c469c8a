package video

import (
	"encoding/binary"
	"math"
	"time"
)

// mixer adds up sounds that are heard at once, each of a format of its own, to
// one track. Where they are too loud together for 16 bits, all of it becomes
// softer for that while: see [limiter].
type mixer struct {
	format  AudioFormat
	length  int64 // frames of the track, an upper bound
	limiter limiter
	write   func(pcm []byte) error

	streams     map[int]*resampler
	mixed       []int32 // from base on, channels interleaved
	base        int64   // frames that were handed on
	latestStart int64   // frame at which the latest piece began
	scratch     []int32
}

// newMixer makes a mixer of a track of a length, which writes s16le.
func newMixer(format AudioFormat, length time.Duration, write func(pcm []byte) error) *mixer {
	m := &mixer{format: format, write: write, streams: map[int]*resampler{}}
	m.length = m.frames(length)
	m.limiter = limiter{channels: format.Channels, maxGainStep: 1 / (limiterRelease.Seconds() / limiterBlock.Seconds()), gain: 1, write: write}
	return m
}

// frames is how many frames last as long as d.
func (m *mixer) frames(d time.Duration) int64 {
	return int64(math.Round(d.Seconds() * float64(m.format.Rate)))
}

// Pieces of sound come in about the order of time: none begins earlier than
// disorder before another that came before it.
const maxReorder = time.Second

// add mixes in a piece of a sound.
func (m *mixer) add(at time.Duration, stream int, format AudioFormat, pcm []byte) error {
	s := m.streams[stream]
	if s == nil || s.from != format {
		s = &resampler{from: format, to: m.format}
		m.streams[stream] = s
	}
	start := max(m.frames(at), 0)
	s.startAt(start)
	m.latestStart = max(m.latestStart, start)
	if err := m.emit(m.latestStart - m.frames(maxReorder)); err != nil {
		return err
	}
	first, samples := s.convert(pcm, m.scratch[:0])
	m.scratch = samples
	channels := m.format.Channels
	if overlap := m.base - first; overlap > 0 {
		samples = samples[min(int(overlap)*channels, len(samples)):]
		first = m.base
	}
	if capacity := (m.length - first) * int64(channels); int64(len(samples)) > capacity {
		samples = samples[:max(capacity, 0)]
	}
	if len(samples) == 0 {
		return nil
	}
	from := int(first-m.base) * channels
	if size := from + len(samples); size > len(m.mixed) {
		m.mixed = append(m.mixed, make([]int32, size-len(m.mixed))...)
	}
	for i, v := range samples {
		m.mixed[from+i] += v
	}
	for id, other := range m.streams { // streams that have ended long ago
		if other.end() < m.base {
			delete(m.streams, id)
		}
	}
	return nil
}

// handOn gives the limiter all before a frame.
func (m *mixer) emit(until int64) error {
	if until <= m.base {
		return nil
	}
	n := m.frames(limiterBlock) * int64(m.format.Channels)
	silence := make([]int32, n)
	emitted := int64(0)
	for ; m.base+emitted/int64(m.format.Channels) < until; emitted += n {
		chunk := silence
		if emitted < int64(len(m.mixed)) {
			chunk = append(make([]int32, 0, n), m.mixed[emitted:min(emitted+n, int64(len(m.mixed)))]...)[:n]
		}
		if err := m.limiter.add(chunk); err != nil {
			return err
		}
	}
	m.base += emitted / int64(m.format.Channels)
	m.mixed = append(m.mixed[:0], m.mixed[min(emitted, int64(len(m.mixed))):]...)
	return nil
}

// close hands on the rest.
func (m *mixer) close() error {
	rest := int64(len(m.mixed) / m.format.Channels)
	if err := m.emit(m.base + rest - rest%m.frames(limiterBlock)); err != nil {
		return err
	}
	return m.limiter.close(m.mixed)
}

// The limiter changes the loudness from block to block, and takes release from
// silent to loud.
const (
	limiterBlock   = 10 * time.Millisecond
	limiterRelease = 500 * time.Millisecond
)

// limiter makes sound softer where it does not fit into 16 bits. It knows of
// that a block ahead, so that loudness never jumps.
type limiter struct {
	channels    int
	maxGainStep float64 // by how much the gain may grow in a block
	write       func(pcm []byte) error

	pending     []int32 // the block before
	pendingGain float64 // the gain that it fits with
	gain        float64 // at its beginning
	out         []byte
}

// add takes the next block.
func (l *limiter) add(samples []int32) error {
	gain := gainFor(samples)
	err := l.flush(gain)
	l.pending, l.pendingGain = samples, gain
	return err
}

// flush writes the block that is held, in front of one that needs a gain.
func (l *limiter) flush(nextGain float64) error {
	if l.pending == nil {
		l.gain = nextGain
		return nil
	}
	endGain := min(l.pendingGain, nextGain, l.gain+l.maxGainStep)
	l.out = l.out[:0]
	n := len(l.pending) / l.channels
	for i, v := range l.pending {
		if l.gain != 1 || endGain != 1 {
			g := l.gain + (endGain-l.gain)*float64(i/l.channels)/float64(n)
			v = int32(math.Round(float64(v) * g))
		}
		l.out = binary.LittleEndian.AppendUint16(l.out, uint16(int16(max(math.MinInt16, min(math.MaxInt16, v)))))
	}
	l.gain = endGain
	return l.write(l.out)
}

// close writes what is held and the rest, which is less than a block.
func (l *limiter) close(rest []int32) error {
	if len(rest) > 0 {
		if err := l.add(rest); err != nil {
			return err
		}
	}
	if l.pending == nil {
		return nil
	}
	return l.flush(1)
}

// headroom is how loud, of 32767, what is too loud becomes: encoders add some.
const limitedPeak = 30000

// fits is the gain, 1 at most, with which samples fit into 16 bits.
func gainFor(samples []int32) float64 {
	var peak int32
	for _, v := range samples {
		peak = max(peak, v, -1-v)
	}
	if peak <= math.MaxInt16 {
		return 1
	}
	return limitedPeak / float64(peak)
}
