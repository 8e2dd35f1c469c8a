package video

import (
	"context"
	"time"
)

// plainTrack has ffmpeg encode every frame.
type plainTrack struct {
	ffmpeg *feed
	mux    muxer
}

// plain starts an encoder that writes a Matroska file.
func (t *Tool) plain(ctx context.Context, opt Options, out string) (*plainTrack, error) {
	codec, err := codecFor(opt)
	if err != nil {
		return nil, err
	}
	args := append([]string{}, codec.before...)
	args = append(args, rawInput...)
	args = append(args, t.passthrough...)
	args = append(args, codec.encode...)
	args = append(args, bt709...)
	ffmpeg, err := t.feed(ctx, opt.Nice, nil, append(args, "-f", "matroska", "-y", "file:"+out)...)
	if err != nil {
		return nil, err
	}
	p := &plainTrack{ffmpeg: ffmpeg, mux: muxer{w: ffmpeg}}
	if err := p.mux.header(pictures{width: opt.Width, height: opt.Height, slot: opt.slot()}); err != nil {
		p.abort()
		return nil, err
	}
	return p, nil
}

func (p *plainTrack) add(at time.Duration, frame *planes) error {
	return p.mux.block(at, true, frame.pix)
}

func (p *plainTrack) close() (time.Duration, error) {
	err := p.ffmpeg.close()
	return p.ffmpeg.child.cpu(), err
}

func (p *plainTrack) abort() { p.ffmpeg.abort() }

// rawInput is how ffmpeg reads what [muxer] writes.
var rawInput = []string{"-f", "matroska", "-probesize", "32", "-analyzeduration", "0", "-i", "pipe:0", "-map", "0:v:0", "-enc_time_base:v", "1:1000"}

var bt709 = []string{"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"}
