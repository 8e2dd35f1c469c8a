package video

import "time"

// FrameSample is the luma of one frame as given to the encoder.
type FrameSample struct {
	Frame         int // number, from 0
	At            time.Duration
	Width, Height int    // of the frame, in pixels
	Rows          []byte // limited range; every fourth row, from the first on
}

// newFrameSample returns the sample of a frame.
func newFrameSample(frame int, at time.Duration, p *planes) FrameSample {
	return FrameSample{frame, at, p.width, p.height, everyFourthRow(nil, p.luma(), p.width)}
}

// everyFourthRow appends every fourth row of a luma plane to out.
func everyFourthRow(out, luma []byte, width int) []byte {
	for at := 0; at < len(luma); at += 4 * width {
		out = append(out, luma[at:at+width]...)
	}
	return out
}

// maxSamples is the maximum number of samples, not including the last frame.
const maxSamples = 10

// frameSampler keeps samples of evenly distributed frames, although the length of the
// video is not known. It keeps every stride-th frame. When there are too many, it
// doubles stride and drops every second sample.
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

// finish adds the last frame and returns all samples.
func (s *frameSampler) finish(frame int, at time.Duration, p *planes) []FrameSample {
	if n := len(s.samples); frame < 0 || n > 0 && s.samples[n-1].Frame == frame {
		return s.samples
	}
	return append(s.samples, newFrameSample(frame, at, p))
}
