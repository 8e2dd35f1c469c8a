package video

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// AudioFormat is that of signed 16-bit little-endian PCM.
type AudioFormat struct {
	Rate     int // samples a second
	Channels int
}

// sound has an ffmpeg of its own make an AAC track in a file.
type sound struct {
	format AudioFormat
	ffmpeg *feed
	heard  time.Duration // end of the sound so far
}

func (t *Tool) sound(ctx context.Context, opt Options, out string) (*sound, error) {
	ffmpeg, err := t.feed(ctx, opt.Nice, nil, "-f", "s16le", "-ar", strconv.Itoa(opt.Audio.Rate), "-ac", strconv.Itoa(opt.Audio.Channels), "-i", "pipe:0",
		"-c:a", "aac", "-b:a", "96k", "-threads", "1", "-f", "mp4", "-y", "file:"+out)
	if err != nil {
		return nil, err
	}
	return &sound{format: *opt.Audio, ffmpeg: ffmpeg}, nil
}

// maxAudioWrite bounds one write of sound, in bytes.
const maxAudioWrite = 32 << 10

// add adds sound that begins at a time; what is between it and the sound
// before becomes silence, what overlaps is dropped.
func (s *sound) add(at time.Duration, pcm []byte) error {
	if gap := at - s.heard; gap > 0 {
		silence := make([]byte, min(s.bytes(gap), maxAudioWrite/2/s.format.Channels*2*s.format.Channels))
		for left := s.bytes(gap); left > 0; {
			n := min(left, len(silence))
			if err := s.write(silence[:n]); err != nil {
				return err
			}
			left -= n
		}
	} else if gap < -50*time.Millisecond {
		pcm = pcm[min(s.bytes(-gap), len(pcm)):]
	}
	return s.write(pcm[:len(pcm)/2/s.format.Channels*2*s.format.Channels])
}

// bytes is how much sound lasts as long as d.
func (s *sound) bytes(d time.Duration) int {
	samples := int64(d) * int64(s.format.Rate) / int64(time.Second)
	return int(samples) * 2 * s.format.Channels
}

func (s *sound) write(pcm []byte) error {
	samples := len(pcm) / 2 / s.format.Channels
	s.heard += time.Duration(int64(samples) * int64(time.Second) / int64(s.format.Rate))
	_, err := s.ffmpeg.Write(pcm)
	return err
}

// errNoSound is sound for a video that was to have none.
var errNoSound = errors.New("video: sound for a video without")
