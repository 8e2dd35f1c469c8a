package video

import (
	"context"
	"time"
)

// plainTrack encodes every frame with ffmpeg.
type plainTrack struct {
	ffmpeg *frameWriter
}

// startPlain starts an encoder that writes a Matroska file.
func (t *Tool) startPlain(ctx context.Context, opt Options, out string) (*plainTrack, error) {
	codec, err := codecFor(opt)
	if err != nil {
		return nil, err
	}
	args := append([]string{}, codec.inputOptions...)
	args = append(args, rawInputArgs...)
	args = append(args, t.passthrough...)
	args = append(args, codec.encodeOptions...)
	args = append(args, bt709Args...)
	info := trackInfo{width: opt.Width, height: opt.Height, slot: opt.slot()}
	ffmpeg, err := t.startFrameWriter(ctx, opt.Nice, info, nil, append(args, "-f", "matroska", "-y", "file:"+out)...)
	if err != nil {
		return nil, err
	}
	return &plainTrack{ffmpeg: ffmpeg}, nil
}

func (p *plainTrack) add(at time.Duration, frame *planes) error { return p.ffmpeg.add(at, frame.pix) }

func (p *plainTrack) close() (time.Duration, error) {
	err := p.ffmpeg.close()
	return p.ffmpeg.cpu(), err
}

// There is no digest, because ffmpeg writes the pictures.
func (p *plainTrack) refreshAt() time.Duration { return 0 }
func (p *plainTrack) hasDigest() bool          { return false }
func (p *plainTrack) digest() []byte           { return nil }

func (p *plainTrack) abort() { p.ffmpeg.abort() }

// matroskaInput returns the options for an input with a Matroska file of ours. ffmpeg
// must not examine its pictures: their header says everything.
func matroskaInput(input string) []string {
	return []string{"-f", "matroska", "-probesize", "32", "-analyzeduration", "0", "-i", input}
}

// rawInputArgs are the options for the output of [frameWriter].
var rawInputArgs = append(matroskaInput("pipe:0"), "-map", "0:v:0", "-enc_time_base:v", "1:1000")

var bt709Args = []string{"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"}
