package video

import (
	"context"
	"io"
	"sync"
	"time"
)

// framesAhead is how many frames wait for ffmpeg. ffmpeg reads, filters and
// encodes one after the other: without them it would wait while we draw, and
// we while it reads.
const framesAhead = 1

// frames is an ffmpeg that is given raw frames while the next ones are drawn.
type frames struct {
	ffmpeg *feed
	spare  chan []byte // blocks to be filled
	full   chan []byte // on their way
	last   sync.Once   // closes full
	ended  chan struct{}
	err    error // of writing, once ended
}

// frames starts ffmpeg, which reads the stream from its standard input.
func (t *Tool) frames(ctx context.Context, nice int, info pictures, stdout io.Writer, args ...string) (*frames, error) {
	ffmpeg, err := t.feed(ctx, StepEncode, nice, stdout, args...)
	if err != nil {
		return nil, err
	}
	f := &frames{
		ffmpeg: ffmpeg, spare: make(chan []byte, framesAhead), full: make(chan []byte, framesAhead), ended: make(chan struct{}),
	}
	f.spare <- streamHeader(info) // before the first frame
	for range framesAhead - 1 {
		f.spare <- nil
	}
	go f.run()
	return f, nil
}

func (f *frames) run() {
	defer close(f.ended)
	for b := range f.full {
		if _, f.err = f.ffmpeg.Write(b); f.err != nil {
			return
		}
		f.spare <- b[:0]
	}
}

// add gives ffmpeg a copy of a frame. An error tells why ffmpeg ended.
func (f *frames) add(at time.Duration, pix []byte) error {
	select {
	case b := <-f.spare:
		f.full <- appendBlock(b, at, true, pix)
		return nil
	case <-f.ended:
		return f.err
	}
}

// close waits until ffmpeg has taken everything and ended.
func (f *frames) close() error {
	f.last.Do(func() { close(f.full) })
	<-f.ended
	if f.err != nil {
		return f.err
	}
	return f.ffmpeg.close()
}

// abort kills ffmpeg. After close it does nothing.
func (f *frames) abort() {
	f.ffmpeg.child.stop(context.Canceled)
	_ = f.close()
	f.ffmpeg.abort()
}

// cpu is the processor time that ffmpeg took, once closed.
func (f *frames) cpu() time.Duration { return f.ffmpeg.child.cpu() }
