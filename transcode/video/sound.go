package video

import (
	"context"
	"errors"
	"strconv"
)

// AudioFormat is that of signed 16-bit little-endian PCM.
type AudioFormat struct {
	Rate     int // samples a second
	Channels int
}

// sound has an ffmpeg of its own make an AAC track in a file.
type sound struct {
	*mixer
	ffmpeg *feed
	heard  bool // there was any
}

func (t *Tool) sound(ctx context.Context, opt Options, out string) (*sound, error) {
	ffmpeg, err := t.feed(ctx, StepSound, opt.Nice, nil, "-f", "s16le", "-ar", strconv.Itoa(opt.Audio.Rate), "-ac", strconv.Itoa(opt.Audio.Channels), "-i", "pipe:0",
		"-c:a", "aac", "-b:a", "96k", "-threads", "1", "-f", "mp4", "-y", "file:"+out)
	if err != nil {
		return nil, err
	}
	write := func(pcm []byte) error {
		_, err := ffmpeg.Write(pcm)
		return err
	}
	return &sound{mixer: newMixer(*opt.Audio, opt.length(), write), ffmpeg: ffmpeg}, nil
}

// close writes what is left and ends ffmpeg.
func (s *sound) close() error {
	if err := s.mixer.close(); err != nil {
		return err
	}
	return s.ffmpeg.close()
}

// errNoSound is sound for a video that was to have none.
var errNoSound = errors.New("video: sound for a video without")
