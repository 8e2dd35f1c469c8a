package video

import (
	"context"
	"io"
	"sync"
	"time"
)

// maxQueuedFrames is the number of frames that wait for ffmpeg. ffmpeg reads, filters
// and encodes one after the other. Without a queue, ffmpeg would wait while we draw,
// and we would wait while it reads.
const maxQueuedFrames = 1

// frameWriter writes raw frames to an ffmpeg while the next ones are drawn.
type frameWriter struct {
	ffmpeg    *pipedChild
	free      chan []byte // buffers to fill
	queue     chan []byte // buffers to write
	closeOnce sync.Once   // closes queue
	done      chan struct{}
	err       error // of writing; valid once done is closed
}

// startFrameWriter starts ffmpeg, which reads the stream from its standard input.
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

// add queues a copy of a frame. Its error says why ffmpeg ended.
func (f *frameWriter) add(at time.Duration, pix []byte) error {
	select {
	case b := <-f.free:
		f.queue <- appendCluster(b, at, true, pix)
		return nil
	case <-f.done:
		return f.err
	}
}

// close waits until ffmpeg has read everything and exited.
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

// cpu returns the CPU time of ffmpeg after close.
func (f *frameWriter) cpu() time.Duration { return f.ffmpeg.child.cpu() }
