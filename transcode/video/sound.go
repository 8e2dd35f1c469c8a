package video

import (
	"context"
	"errors"
	"strconv"
)

// AudioFormat is a format of signed 16-bit little-endian PCM.
type AudioFormat struct {
	Rate     int // samples per second
	Channels int
}

// soundTrack encodes the mixed sound to an AAC track in a file, with its own ffmpeg.
type soundTrack struct {
	*mixer
	ffmpeg  *pipedChild
	present bool // there was any sound
}

func (t *Tool) startSound(ctx context.Context, opt Options, out string) (*soundTrack, error) {
	ffmpeg, err := t.startPiped(ctx, StepSound, opt.Nice, nil, "-f", "s16le", "-ar", strconv.Itoa(opt.Audio.Rate), "-ac", strconv.Itoa(opt.Audio.Channels), "-i", "pipe:0",
		"-c:a", "aac", "-b:a", "96k", "-threads", "1", "-f", "mp4", "-y", "file:"+out)
	if err != nil {
		return nil, err
	}
	write := func(pcm []byte) error {
		_, err := ffmpeg.Write(pcm)
		return err
	}
	return &soundTrack{mixer: newMixer(*opt.Audio, opt.length(), write), ffmpeg: ffmpeg}, nil
}

// close writes the remaining sound and ends ffmpeg.
func (s *soundTrack) close() error {
	if err := s.mixer.close(); err != nil {
		return err
	}
	return s.ffmpeg.close()
}

// errNoSound means that sound was added to a video without a sound track.
var errNoSound = errors.New("video: the video has no sound track")
