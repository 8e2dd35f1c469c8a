package video

import "time"

// Sample is the brightness of one frame as it was given to the encoder.
type FrameSample struct {
	Frame         int // number, from 0
	At            time.Duration
	Width, Height int    // of the frame
	Rows          []byte // limited range, every fourth row from the first on
}

// sample takes a frame's.
func newFrameSample(frame int, at time.Duration, p *planes) FrameSample {
	return FrameSample{frame, at, p.width, p.height, everyFourthRow(nil, p.luma(), p.width)}
}

// fourth appends every fourth row of a picture.
func everyFourthRow(out, luma []byte, width int) []byte {
	for at := 0; at < len(luma); at += 4 * width {
		out = append(out, luma[at:at+width]...)
	}
	return out
}

// maxSamples bounds how many frames are kept, besides the last.
const maxSamples = 10

// sampler keeps frames that are evenly spread over a video whose length it
// does not know: every stride-th, and when there are too many, every second
// of those.
type frameSampler struct {
	stride  int
	samples []FrameSample
}

func (s *frameSampler) consider(frame int, at time.Duration, p *planes) {
	s.stride = max(s.stride, 1)
	if frame%s.stride != 0 {
		return
	}
	limit := maxSamples
	if p.width*p.height > largePixels {
		limit = maxSamples / 2
	}
	if len(s.samples) >= limit {
		s.stride *= 2
		thinned := s.samples[:0]
		for _, k := range s.samples {
			if k.Frame%s.stride == 0 {
				thinned = append(thinned, k)
			}
		}
		clear(s.samples[len(thinned):])
		s.samples = thinned
		if frame%s.stride != 0 {
			return
		}
	}
	s.samples = append(s.samples, newFrameSample(frame, at, p))
}

// finish adds the last frame and returns all.
func (s *frameSampler) finish(frame int, at time.Duration, p *planes) []FrameSample {
	if n := len(s.samples); frame < 0 || n > 0 && s.samples[n-1].Frame == frame {
		return s.samples
	}
	return append(s.samples, newFrameSample(frame, at, p))
}
