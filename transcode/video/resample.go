package video

import "encoding/binary"

// converted is sound in another format: channels are averaged or repeated,
// samples interpolated between neighbours.
func converted(pcm []byte, from, to AudioFormat) []byte {
	if from == to {
		return pcm
	}
	n := len(pcm) / 2 / from.Channels
	if n == 0 {
		return nil
	}
	value := func(sample, channel int) int {
		at := func(c int) int {
			return int(int16(binary.LittleEndian.Uint16(pcm[2*(min(sample, n-1)*from.Channels+c):])))
		}
		if from.Channels == to.Channels {
			return at(channel)
		}
		sum := 0
		for c := range from.Channels {
			sum += at(c)
		}
		return sum / from.Channels
	}
	count := int(int64(n) * int64(to.Rate) / int64(from.Rate))
	out := make([]byte, 0, 2*count*to.Channels)
	for i := range count {
		place := int64(i) * int64(from.Rate)
		sample, rest := int(place/int64(to.Rate)), int(place%int64(to.Rate))
		for c := range to.Channels {
			a, b := value(sample, c), value(sample+1, c)
			out = binary.LittleEndian.AppendUint16(out, uint16(int16(a+int(int64(b-a)*int64(rest)/int64(to.Rate)))))
		}
	}
	return out
}
