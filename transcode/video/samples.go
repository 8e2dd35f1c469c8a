package video

import "time"

// Sample is the brightness of one frame as it was given to the encoder.
type Sample struct {
	Frame         int // number, from 0
	At            time.Duration
	Width, Height int    // of the frame
	Rows          []byte // limited range, every fourth row from the first on
}

// sample takes a frame's.
func sample(frame int, at time.Duration, p *planes) Sample {
	return Sample{frame, at, p.width, p.height, fourth(nil, p.luma(), p.width)}
}

// fourth appends every fourth row of a picture.
func fourth(out, luma []byte, width int) []byte {
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
type sampler struct {
	stride int
	kept   []Sample
}

func (s *sampler) see(frame int, at time.Duration, p *planes) {
	s.stride = max(s.stride, 1)
	if frame%s.stride != 0 {
		return
	}
	most := maxSamples
	if p.width*p.height > largePixels {
		most = maxSamples / 2
	}
	if len(s.kept) >= most {
		s.stride *= 2
		thinned := s.kept[:0]
		for _, k := range s.kept {
			if k.Frame%s.stride == 0 {
				thinned = append(thinned, k)
			}
		}
		clear(s.kept[len(thinned):])
		s.kept = thinned
		if frame%s.stride != 0 {
			return
		}
	}
	s.kept = append(s.kept, sample(frame, at, p))
}

// finish adds the last frame and returns all.
func (s *sampler) finish(frame int, at time.Duration, p *planes) []Sample {
	if n := len(s.kept); frame < 0 || n > 0 && s.kept[n-1].Frame == frame {
		return s.kept
	}
	return append(s.kept, sample(frame, at, p))
}
