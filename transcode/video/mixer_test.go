package video

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
)

// sine returns n frames of a tone, from frame first on.
func sine(f AudioFormat, hertz, loudness float64, first, n int) []byte {
	var pcm []byte
	for i := range n {
		v := loudness * math.Sin(2*math.Pi*hertz*float64(first+i)/float64(f.Rate))
		for range f.Channels {
			pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(math.Round(v))))
		}
	}
	return pcm
}

// mixedSamples runs a mixer and returns the first channel of its output.
func mixedSamples(t *testing.T, format AudioFormat, length time.Duration, feed func(add func(at time.Duration, stream int, f AudioFormat, pcm []byte))) []int {
	t.Helper()
	var out []byte
	m := newMixer(format, length, func(pcm []byte) error { out = append(out, pcm...); return nil })
	feed(func(at time.Duration, stream int, f AudioFormat, pcm []byte) {
		if err := m.add(at, stream, f, pcm); err != nil {
			t.Fatal(err)
		}
	})
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	var samples []int
	for i := 0; i < len(out); i += 2 * format.Channels {
		samples = append(samples, int(int16(binary.LittleEndian.Uint16(out[i:]))))
	}
	return samples
}

// amplitude returns the amplitude of a frequency in samples.
func amplitude(samples []int, rate int, hertz float64) float64 {
	var re, im float64
	for i, v := range samples {
		s, c := math.Sincos(2 * math.Pi * hertz * float64(i) / float64(rate))
		re, im = re+float64(v)*c, im+float64(v)*s
	}
	return 2 * math.Hypot(re, im) / float64(len(samples))
}

var stereo = AudioFormat{Rate: 44100, Channels: 2}

// TestOneStreamIsUnchanged checks that a single stream keeps its samples and its
// time, and is not longer than the video.
func TestOneStreamIsUnchanged(t *testing.T) {
	want := sine(stereo, 440, 32767, 0, 3*44100)
	got := mixedSamples(t, stereo, 3500*time.Millisecond, func(add func(time.Duration, int, AudioFormat, []byte)) {
		for i := range 30 {
			add(time.Second+time.Duration(i)*100*time.Millisecond, 7, stereo, want[i*4410*4:(i+1)*4410*4])
		}
	})
	if len(got) != 7*44100/2 {
		t.Fatalf("%d samples", len(got))
	}
	for i, v := range got {
		expected := 0
		if i >= 44100 {
			expected = int(int16(binary.LittleEndian.Uint16(want[4*(i-44100):])))
		}
		if v != expected {
			t.Fatalf("sample %d is %d, want %d", i, v, expected)
		}
	}
}

// TestStreamsAreMixed checks that two streams of any rates keep their volumes, times
// and durations.
func TestStreamsAreMixed(t *testing.T) {
	for _, format := range []AudioFormat{stereo, {22050, 1}, {8000, 1}, {11025, 2}, {96000, 2}, {48000, 6}, {7919, 1}} {
		samples := mixedSamples(t, stereo, time.Minute, func(add func(time.Duration, int, AudioFormat, []byte)) {
			at := func(frame, rate int) time.Duration {
				return time.Duration(float64(frame) / float64(rate) * 1e9)
			}
			n := format.Rate / 10
			for i := range 40 {
				add(at(i*4410, 44100), 1, stereo, sine(stereo, 440, 8000, i*4410, 4410))
				if i >= 10 && i < 30 {
					add(time.Second+at((i-10)*n, format.Rate), 2, format, sine(format, 1000, 8000, (i-10)*n, n))
				}
			}
		})
		if len(samples) != 4*44100 {
			t.Errorf("%v: %d samples", format, len(samples))
		}
		for _, part := range []struct {
			from, to    int // ms
			high, high2 float64
		}{{0, 990, 0, 20}, {1010, 2990, 7500, 8050}, {3010, 4000, 0, 20}} {
			piece := samples[part.from*441/10 : part.to*441/10]
			if low, high := amplitude(piece, 44100, 440), amplitude(piece, 44100, 1000); math.Abs(low-8000) > 20 || high < part.high || high > part.high2 {
				t.Errorf("%v, %d to %d ms: 440 Hz at %.0f, 1000 Hz at %.0f", format, part.from, part.to, low, high)
			}
		}
		// No clicks between chunks: two adjacent samples differ by no more than the
		// tones do.
		most := 8000*2*math.Pi*(440+1000)/44100 + 200
		for i := 1; i < len(samples); i++ {
			if i > 2997*441/10 && i < 3001*441/10 { // the end of the other stream
				continue
			}
			if d := samples[i] - samples[i-1]; math.Abs(float64(d)) > most {
				t.Fatalf("%v: sample %d is %d, after %d", format, i, samples[i], samples[i-1])
			}
		}
	}
}

// TestLoudStreamsDoNotClip checks that three tones at full volume become softer
// together, without distortion. Half a second after two of them have ended, the first
// one must have its full volume again.
func TestLoudStreamsDoNotClip(t *testing.T) {
	tones := []float64{440, 1000, 1700}
	samples := mixedSamples(t, stereo, time.Minute, func(add func(time.Duration, int, AudioFormat, []byte)) {
		for i := range 50 {
			for k, hertz := range tones {
				if k == 0 || i >= 10 && i < 30 {
					add(time.Duration(i)*100*time.Millisecond, k, stereo, sine(stereo, hertz, 32000, i*4410, 4410))
				}
			}
		}
	})
	loud := samples[12*4410 : 28*4410]
	var all float64
	for _, v := range loud {
		if v > limitedPeak || v < -limitedPeak {
			t.Fatal("a sample exceeds the limited peak")
		}
		all += float64(v) * float64(v)
	}
	var of float64
	for _, hertz := range tones {
		p := amplitude(loud, 44100, hertz)
		if p < 9000 {
			t.Errorf("%g Hz at %.0f", hertz, p)
		}
		of += p * p / 2
	}
	if rest := 1 - of/(all/float64(len(loud))); rest > 0.001 { // clipping would leave some per cent
		t.Errorf("%.2f %% of the power is noise", 100*rest)
	}
	for name, piece := range map[string][]int{"before": samples[:9*4410], "after": samples[36*4410:]} {
		if p := amplitude(piece, 44100, 440); math.Abs(p-32000) > 100 {
			t.Errorf("%s: 440 Hz at %.0f", name, p)
		}
	}
}
