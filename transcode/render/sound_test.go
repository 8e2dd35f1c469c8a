package render

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// tone writes sound between two times, in pieces that arrive in real time.
func (s *script) tone(stream, bits, rate, channels int, from, to int64) {
	s.do("audio", stream, fmt.Sprintf("audio/L%d;rate=%d,channels=%d", bits, rate, channels))
	const piece = 50 // ms
	n := 0
	for at := from; at < to; at += piece {
		var pcm []byte
		for range rate * piece / 1000 {
			v := math.Sin(2 * math.Pi * 440 * float64(n) / float64(rate))
			n++
			for range channels {
				if bits == 8 {
					pcm = append(pcm, byte(int8(100*v)))
				} else {
					pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(20000*v)))
				}
			}
		}
		for len(pcm) > 0 {
			k := min(len(pcm), 6000)
			s.do("blob", stream, base64.StdEncoding.EncodeToString(pcm[:k]))
			pcm = pcm[k:]
		}
		s.sync(at + piece)
	}
	s.do("end", stream)
}

// loud returns the times, in ms, at which a video's sound begins and ends.
func loud(t *testing.T, v *Video) []int {
	t.Helper()
	pcm, err := exec.Command("ffmpeg", "-v", "error", "-i", v.Path, "-map", "0:a:0", "-f", "s16le", "-ac", "1", "-ar", "8000", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	var times []int
	const window = 160 // samples, 20 ms
	on := false
	for at := 0; at+2*window <= len(pcm); at += 2 * window {
		peak := 0
		for i := at; i < at+2*window; i += 2 {
			v := int(int16(binary.LittleEndian.Uint16(pcm[i:])))
			peak = max(peak, v, -v)
		}
		if peak > 1500 != on {
			on = !on
			times = append(times, at/16)
		}
	}
	if on {
		times = append(times, len(pcm)/16)
	}
	return times
}

func near(got, want []int) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if d := got[i] - want[i]; d > 100 || d < -100 {
			return false
		}
	}
	return true
}

// TestSoundOfAllFormatsBecomesOneTrack: every two seconds, there is a tone of one
// second in another format.
func TestSoundOfAllFormatsBecomesOneTrack(t *testing.T) {
	formats := []struct{ bits, rate, channels int }{{16, 44100, 2}, {8, 8000, 1}, {16, 22050, 1}, {16, 96000, 2}, {8, 11025, 2}, {16, 48000, 6}}
	var s script
	var want []int
	s.size(64, 48)
	s.grey(200, 0, 0, 64, 48)
	s.sync(0)
	for i, f := range formats {
		from := int64(1000 + 2000*i)
		s.sync(from)
		s.tone(i, f.bits, f.rate, f.channels, from, from+1000)
		s.sync(from + 1500)
		want = append(want, int(from), int(from)+1000)
	}
	s.sync(14000)
	rec := parts(t, s.b.String())
	v, _ := made(t, rec, Options{Codec: "h264", Audio: true})
	if got := loud(t, v); !near(got, want) {
		t.Errorf("it sounds at %v, want %v", got, want)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "csv=p=0", v.Path).Output()
	if err != nil || string(out) != "aac\n" {
		t.Errorf("sound tracks: %q %v", out, err)
	}
	t.Run("dropped by choice", func(t *testing.T) {
		v, _ := made(t, rec, Options{Codec: "h264", Audio: false})
		silent(t, v)
	})
}

func TestSilenceMakesNoTrack(t *testing.T) {
	var s script
	s.size(64, 48)
	s.grey(200, 0, 0, 64, 48)
	s.sync(0)
	s.do("audio", 1, "audio/L16;rate=44100,channels=2")
	for i := range int64(20) {
		s.do("blob", 1, base64.StdEncoding.EncodeToString(make([]byte, 6000)))
		s.sync(i * 100)
	}
	v, _ := made(t, parts(t, s.b.String()), Options{Codec: "h264", Audio: true})
	silent(t, v)
}

func silent(t *testing.T, v *Video) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=index", "-of", "csv=p=0", v.Path).Output()
	if err != nil || len(out) > 0 {
		t.Errorf("there is sound: %q %v", out, err)
	}
}

// TestSoundOfARealRecording: the desktop begins to play 9.46 s after the first sync
// and continues until the end.
func TestSoundOfARealRecording(t *testing.T) {
	found, err := filepath.Glob("../../testdata/recordings/audio/v3/*/*.replay.gz")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	rec, err := recording.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	v, _ := made(t, rec, Options{Codec: "h264", Audio: true})
	got := loud(t, v)
	if want := []int{9460, int(v.Duration / time.Millisecond)}; len(got) < 2 || !near([]int{got[0], got[len(got)-1]}, want) {
		t.Errorf("it sounds at %v, want %v", got, want)
	}
}
