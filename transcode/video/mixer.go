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
	most    int64 // frames of the track, an upper bound
	limiter limiter
	write   func(pcm []byte) error

	sounds  map[int]*resampler
	mixed   []int32 // from base on, channels interleaved
	base    int64   // frames that were handed on
	latest  int64   // frame at which the latest piece began
	scratch []int32
}

// newMixer makes a mixer of a track of a length, which writes s16le.
func newMixer(format AudioFormat, length time.Duration, write func(pcm []byte) error) *mixer {
	m := &mixer{format: format, write: write, sounds: map[int]*resampler{}}
	m.most = m.frames(length)
	m.limiter = limiter{channels: format.Channels, step: 1 / (release.Seconds() / block.Seconds()), gain: 1, write: write}
	return m
}

// frames is how many frames last as long as d.
func (m *mixer) frames(d time.Duration) int64 {
	return int64(math.Round(d.Seconds() * float64(m.format.Rate)))
}

// Pieces of sound come in about the order of time: none begins earlier than
// disorder before another that came before it.
const disorder = time.Second

// add mixes in a piece of a sound.
func (m *mixer) add(at time.Duration, stream int, format AudioFormat, pcm []byte) error {
	s := m.sounds[stream]
	if s == nil || s.from != format {
		s = &resampler{from: format, to: m.format}
		m.sounds[stream] = s
	}
	begin := max(m.frames(at), 0)
	s.place(begin)
	m.latest = max(m.latest, begin)
	if err := m.handOn(m.latest - m.frames(disorder)); err != nil {
		return err
	}
	first, samples := s.convert(pcm, m.scratch[:0])
	m.scratch = samples
	channels := m.format.Channels
	if late := m.base - first; late > 0 {
		samples = samples[min(int(late)*channels, len(samples)):]
		first = m.base
	}
	if room := (m.most - first) * int64(channels); int64(len(samples)) > room {
		samples = samples[:max(room, 0)]
	}
	if len(samples) == 0 {
		return nil
	}
	from := int(first-m.base) * channels
	if need := from + len(samples); need > len(m.mixed) {
		m.mixed = append(m.mixed, make([]int32, need-len(m.mixed))...)
	}
	for i, v := range samples {
		m.mixed[from+i] += v
	}
	for id, other := range m.sounds { // streams that have ended long ago
		if other.end() < m.base {
			delete(m.sounds, id)
		}
	}
	return nil
}

// handOn gives the limiter all before a frame.
func (m *mixer) handOn(to int64) error {
	if to <= m.base {
		return nil
	}
	n := m.frames(block) * int64(m.format.Channels)
	silence := make([]int32, n)
	done := int64(0)
	for ; m.base+done/int64(m.format.Channels) < to; done += n {
		piece := silence
		if done < int64(len(m.mixed)) {
			piece = append(make([]int32, 0, n), m.mixed[done:min(done+n, int64(len(m.mixed)))]...)[:n]
		}
		if err := m.limiter.add(piece); err != nil {
			return err
		}
	}
	m.base += done / int64(m.format.Channels)
	m.mixed = append(m.mixed[:0], m.mixed[min(done, int64(len(m.mixed))):]...)
	return nil
}

// close hands on the rest.
func (m *mixer) close() error {
	rest := int64(len(m.mixed) / m.format.Channels)
	if err := m.handOn(m.base + rest - rest%m.frames(block)); err != nil {
		return err
	}
	return m.limiter.close(m.mixed)
}

// The limiter changes the loudness from block to block, and takes release from
// silent to loud.
const (
	block   = 10 * time.Millisecond
	release = 500 * time.Millisecond
)

// limiter makes sound softer where it does not fit into 16 bits. It knows of
// that a block ahead, so that loudness never jumps.
type limiter struct {
	channels int
	step     float64 // by how much the gain may grow in a block
	write    func(pcm []byte) error

	held []int32 // the block before
	need float64 // the gain that it fits with
	gain float64 // at its beginning
	out  []byte
}

// add takes the next block.
func (l *limiter) add(samples []int32) error {
	need := fits(samples)
	err := l.flush(need)
	l.held, l.need = samples, need
	return err
}

// flush writes the block that is held, in front of one that needs a gain.
func (l *limiter) flush(next float64) error {
	if l.held == nil {
		l.gain = next
		return nil
	}
	to := min(l.need, next, l.gain+l.step)
	l.out = l.out[:0]
	n := len(l.held) / l.channels
	for i, v := range l.held {
		if l.gain != 1 || to != 1 {
			g := l.gain + (to-l.gain)*float64(i/l.channels)/float64(n)
			v = int32(math.Round(float64(v) * g))
		}
		l.out = binary.LittleEndian.AppendUint16(l.out, uint16(int16(max(math.MinInt16, min(math.MaxInt16, v)))))
	}
	l.gain = to
	return l.write(l.out)
}

// close writes what is held and the rest, which is less than a block.
func (l *limiter) close(rest []int32) error {
	if len(rest) > 0 {
		if err := l.add(rest); err != nil {
			return err
		}
	}
	if l.held == nil {
		return nil
	}
	return l.flush(1)
}

// headroom is how loud, of 32767, what is too loud becomes: encoders add some.
const headroom = 30000

// fits is the gain, 1 at most, with which samples fit into 16 bits.
func fits(samples []int32) float64 {
	var peak int32
	for _, v := range samples {
		peak = max(peak, v, -1-v)
	}
	if peak <= math.MaxInt16 {
		return 1
	}
	return headroom / float64(peak)
}
