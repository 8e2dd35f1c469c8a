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
const maxQueuedFrames = 1

// frames is an ffmpeg that is given raw frames while the next ones are drawn.
type frameWriter struct {
	ffmpeg    *pipedChild
	free      chan []byte // blocks to be filled
	queue     chan []byte // on their way
	closeOnce sync.Once   // closes full
	done      chan struct{}
	err       error // of writing, once ended
}

// frames starts ffmpeg, which reads the stream from its standard input.
func (t *Tool) startFrameWriter(ctx context.Context, nice int, info trackInfo, stdout io.Writer, args ...string) (*frameWriter, error) {
	ffmpeg, err := t.startPiped(ctx, StepEncode, nice, stdout, args...)
	if err != nil {
		return nil, err
	}
	f := &frameWriter{
		ffmpeg: ffmpeg, free: make(chan []byte, maxQueuedFrames), queue: make(chan []byte, maxQueuedFrames), done: make(chan struct{}),
	}
	f.free <- matroskaHeader(info) // before the first frame
	for range maxQueuedFrames - 1 {
		f.free <- nil
	}
	go f.run()
	return f, nil
}

func (f *frameWriter) run() {
	defer close(f.done)
	for b := range f.queue {
		if _, f.err = f.ffmpeg.Write(b); f.err != nil {
			return
		}
		f.free <- b[:0]
	}
}

// add gives ffmpeg a copy of a frame. An error tells why ffmpeg ended.
func (f *frameWriter) add(at time.Duration, pix []byte) error {
	select {
	case b := <-f.free:
		f.queue <- appendCluster(b, at, true, pix)
		return nil
	case <-f.done:
		return f.err
	}
}

// close waits until ffmpeg has taken everything and ended.
func (f *frameWriter) close() error {
	f.closeOnce.Do(func() { close(f.queue) })
	<-f.done
	if f.err != nil {
		return f.err
	}
	return f.ffmpeg.close()
}

// abort kills ffmpeg. After close it does nothing.
func (f *frameWriter) abort() {
	f.ffmpeg.child.cancel(context.Canceled)
	_ = f.close()
	f.ffmpeg.abort()
}

// cpu is the processor time that ffmpeg took, once closed.
func (f *frameWriter) cpu() time.Duration { return f.ffmpeg.child.cpu() }
