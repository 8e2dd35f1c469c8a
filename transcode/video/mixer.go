package video

import (
	"encoding/binary"
	"math"
	"time"
)

// mixer mixes streams of sound, each in its own format, into one track. Where their
// sum exceeds 16 bits, the [limiter] lowers the volume for that time.
type mixer struct {
	format  AudioFormat
	length  int64 // of the track, in frames; an upper bound
	limiter limiter
	write   func(pcm []byte) error

	streams     map[int]*resampler
	mixed       []int32 // sum of the streams from base on, channels interleaved
	base        int64   // frames already sent to the limiter
	latestStart int64   // frame at which the latest chunk starts
	scratch     []int32
}

// newMixer returns a mixer for a track of at most that length. It writes s16le.
func newMixer(format AudioFormat, length time.Duration, write func(pcm []byte) error) *mixer {
	m := &mixer{format: format, write: write, streams: map[int]*resampler{}}
	m.length = m.frames(length)
	m.limiter = limiter{channels: format.Channels, maxGainStep: 1 / (limiterRelease.Seconds() / limiterBlock.Seconds()), gain: 1, write: write}
	return m
}

// frames returns the number of frames in d.
func (m *mixer) frames(d time.Duration) int64 {
	return int64(math.Round(d.Seconds() * float64(m.format.Rate)))
}

// maxReorder is how much earlier a chunk may start than one added before it.
const maxReorder = time.Second

// add mixes in a chunk of a stream.
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
	for id, other := range m.streams { // remove streams that have ended
		if other.end() < m.base {
			delete(m.streams, id)
		}
	}
	return nil
}

// emit sends all frames before until to the limiter.
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

// close sends the remaining frames.
func (m *mixer) close() error {
	rest := int64(len(m.mixed) / m.format.Channels)
	if err := m.emit(m.base + rest - rest%m.frames(limiterBlock)); err != nil {
		return err
	}
	return m.limiter.close(m.mixed)
}

// The limiter changes the gain from block to block. It needs limiterRelease to return
// from silence to full volume.
const (
	limiterBlock   = 10 * time.Millisecond
	limiterRelease = 500 * time.Millisecond
)

// limiter lowers the volume where the sum exceeds 16 bits. It looks one block ahead,
// so the volume never jumps.
type limiter struct {
	channels    int
	maxGainStep float64 // by which the gain may grow per block
	write       func(pcm []byte) error

	pending     []int32 // block that is not written yet
	pendingGain float64 // gain at which it fits into 16 bits
	gain        float64 // at the start of the pending block
	out         []byte
}

// add adds the next block.
func (l *limiter) add(samples []int32) error {
	gain := gainFor(samples)
	err := l.flush(gain)
	l.pending, l.pendingGain = samples, gain
	return err
}

// flush writes the pending block. nextGain is the gain of the block after it.
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

// close writes the pending block and the rest, which is less than a block.
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

// limitedPeak is the peak of limited blocks, of 32767. The rest is headroom, because
// encoders overshoot a little.
const limitedPeak = 30000

// gainFor returns the gain, at most 1, at which samples fit into 16 bits.
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
