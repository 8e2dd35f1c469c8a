package guac

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// sounds returns when there is sound, stream by stream.
func sounds(chunks []AudioChunk) string {
	var spans []string
	for stream := range 100 {
		var from, to time.Duration
		end := func() {
			if to > from {
				spans = append(spans, fmt.Sprintf("%s to %s", from, to))
			}
		}
		for _, c := range chunks {
			if c.Stream != stream || silentPCM(c.PCM) {
				continue
			}
			if c.Time != to {
				end()
				from = c.Time
			}
			to = c.Time + samplesTime(len(c.PCM)/2/c.Channels, c.Rate)
		}
		end()
	}
	return "[" + strings.Join(spans, ", ") + "]"
}

// noise is sound of ms milliseconds, mono at 8 kHz.
func noise(ms int) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2}, 8*ms))
}

const mono = "audio/L16;rate=8000,channels=1"

// TestEachStreamSoundsByItself: with one format or several, at once or one after
// the other.
func TestEachStreamSoundsByItself(t *testing.T) {
	begin := func() *script { return screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("sync", 0) }
	// music plays for a second, and each of the others is played during it.
	music := func(s *script, others map[int]string) *script {
		s.add("audio", 1, mono)
		for at := 100; at <= 1000; at += 100 {
			s.add("blob", 1, noise(100))
			if mimetype, ok := others[at]; ok {
				s.add("audio", 2, mimetype).add("blob", 2, noise(100)).add("end", 2)
			}
			s.add("sync", at)
		}
		return s
	}
	for name, tc := range map[string]struct {
		parts []string
		want  string
	}{
		"one":                         {[]string{music(begin(), nil).String()}, "[0s to 1s]"},
		"two of one format":           {[]string{music(begin(), map[int]string{500: mono}).String()}, "[0s to 1s, 400ms to 500ms]"},
		"beeps":                       {[]string{music(begin(), map[int]string{300: mono, 400: mono, 700: mono}).String()}, "[0s to 1s, 200ms to 300ms, 300ms to 400ms, 600ms to 700ms]"},
		"beeps that overlap":          {[]string{begin().add("audio", 1, mono).add("blob", 1, noise(300)).add("end", 1).add("sync", 300).add("audio", 1, mono).add("blob", 1, noise(300)).add("sync", 500).String()}, "[0s to 300ms, 300ms to 600ms]"},
		"of two rates":                {[]string{music(begin(), map[int]string{500: "audio/L16;rate=16000,channels=1"}).String()}, "[0s to 1s, 450ms to 500ms]"},
		"the next part goes on":       {[]string{music(begin(), nil).String(), screen(8, 8).add("audio", 1, mono).add("sync", 1000).add("blob", 1, noise(150)).add("sync", 1200).String()}, "[0s to 1.15s]"},
		"faster than it can be heard": {[]string{begin().add("audio", 1, mono).add("blob", 1, noise(900)).add("sync", 100).add("blob", 1, noise(900)).add("sync", 200).add("sync", 900).add("blob", 1, noise(100)).add("sync", 1000).String()}, "[0s to 1.1s]"},
	} {
		t.Run(name, func(t *testing.T) {
			a, stats := play(t, Options{}, tc.parts...)
			if got := sounds(a.sound); got != tc.want || len(stats.Warnings) > 0 {
				t.Errorf("%s, want %s; warnings %q", got, tc.want, stats.Warnings)
			}
			last := time.Duration(0)
			for _, c := range a.sound {
				if c.Time < last-slack {
					t.Errorf("a piece at %s comes after one at %s", c.Time, last)
				}
				last = max(last, c.Time)
				if length := samplesTime(len(c.PCM)/2/c.Channels, c.Rate); length > pieceTime {
					t.Errorf("a piece of %s", length)
				}
			}
		})
	}
}

// TestTooManySoundsAreTold: dropped sounds cause a warning.
func TestTooManySoundsAreTold(t *testing.T) {
	s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("sync", 0)
	for i := range maxVoices + 1 {
		s.add("audio", i, mono).add("blob", i, noise(10))
	}
	_, stats := play(t, Options{}, s.add("sync", 100).String())
	if !strings.Contains(fmt.Sprint(stats.Missing), "more sound at once") {
		t.Errorf("missing %q", stats.Missing)
	}
}
