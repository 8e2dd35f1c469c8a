package video

import "encoding/binary"

// resampler turns the pieces of a sound into another format, as if they were
// one: channels are averaged or repeated, samples interpolated between
// neighbours.
type resampler struct {
	from, to  AudioFormat
	origin    int64    // frame of the track at which the sound began that goes on without a gap
	framesIn  int64    // frames of it that were read
	framesOut int64    // frames of the track that were made of them
	last      [2]int32 // the last frame read, in the track's channels
}

// place says at which frame of the track the next piece begins. Where that is
// where the last one ended, the sound goes on.
func (r *resampler) startAt(frame int64) {
	if d := frame - r.end(); r.framesIn == 0 || d < -1 || d > 1 {
		r.origin, r.framesIn, r.framesOut = frame, 0, 0
	}
}

// end is the frame at which the sound so far ends.
func (r *resampler) end() int64 { return r.origin + r.framesIn*int64(r.to.Rate)/int64(r.from.Rate) }

// convert appends the samples of a piece to out. They begin at a frame of the
// track. What lies between the last sample and the one that would follow it
// comes with the next piece.
func (r *resampler) convert(pcm []byte, out []int32) (first int64, samples []int32) {
	n := int64(len(pcm) / 2 / r.from.Channels)
	first = r.origin + r.framesOut
	if n == 0 {
		return first, out
	}
	from, to := int64(r.from.Rate), int64(r.to.Rate)
	at := r.framesIn // of the frame b
	a, b := r.last, r.firstFrame(pcm)
	for ; ; r.framesOut++ {
		pos := r.framesOut * from
		for pos > at*to && at-r.framesIn+1 < n {
			a, at = b, at+1
			b = r.firstFrame(pcm[2*r.from.Channels*int(at-r.framesIn):])
		}
		if pos > at*to {
			break
		}
		// b lies ahead, and a is the one before it.
		distance := at*to - pos
		for c := range r.to.Channels {
			out = append(out, b[c]+int32(int64(a[c]-b[c])*distance/to))
		}
	}
	r.last = r.firstFrame(pcm[2*r.from.Channels*int(n-1):])
	r.framesIn += n
	return first, out
}

// frame is the first frame of pcm, in the track's channels.
func (r *resampler) firstFrame(pcm []byte) (f [2]int32) {
	sample := func(c int) int32 { return int32(int16(binary.LittleEndian.Uint16(pcm[2*c:]))) }
	if r.from.Channels == r.to.Channels {
		for c := range r.to.Channels {
			f[c] = sample(c)
		}
		return f
	}
	for c := range r.from.Channels {
		f[0] += sample(c)
	}
	f[0] /= int32(r.from.Channels)
	f[1] = f[0]
	return f
}
