package video

import "encoding/binary"

// resampler converts the chunks of a stream to another format, as if they were one.
// Channels are averaged or repeated, samples are interpolated linearly.
type resampler struct {
	from, to  AudioFormat
	origin    int64    // frame of the track at which the stream last started or continued after a gap
	framesIn  int64    // frames of the stream read since origin
	framesOut int64    // frames of the track produced since origin
	last      [2]int32 // last frame read, with the channels of the track
}

// startAt sets the frame of the track at which the next chunk starts. If the last
// chunk ended there, the stream continues without a gap.
func (r *resampler) startAt(frame int64) {
	if d := frame - r.end(); r.framesIn == 0 || d < -1 || d > 1 {
		r.origin, r.framesIn, r.framesOut = frame, 0, 0
	}
}

// end returns the frame of the track at which the stream ends so far.
func (r *resampler) end() int64 { return r.origin + r.framesIn*int64(r.to.Rate)/int64(r.from.Rate) }

// convert appends the samples of a chunk to out. first is the frame of the track at
// which they start. Frames of the track after the last sample of a chunk come with
// the next chunk.
func (r *resampler) convert(pcm []byte, out []int32) (first int64, samples []int32) {
	n := int64(len(pcm) / 2 / r.from.Channels)
	first = r.origin + r.framesOut
	if n == 0 {
		return first, out
	}
	from, to := int64(r.from.Rate), int64(r.to.Rate)
	at := r.framesIn // index of frame b
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
		// pos is between the frames a and b.
		distance := at*to - pos
		for c := range r.to.Channels {
			out = append(out, b[c]+int32(int64(a[c]-b[c])*distance/to))
		}
	}
	r.last = r.firstFrame(pcm[2*r.from.Channels*int(n-1):])
	r.framesIn += n
	return first, out
}

// firstFrame returns the first frame of pcm, with the channels of the track.
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
