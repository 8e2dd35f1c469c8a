package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// guidedX264 encodes pictures with x264, with a QP of our choice for each macroblock.
// Only for films it lets x264 choose.
//
// In the first of two passes, x264 writes a log of its pictures, and a file with the
// QP offsets of all macroblocks. In the second pass it reads both. Here it runs as in
// the second pass. The log says that all pictures have the same QP, and the file is a
// FIFO to which offsets are written with each picture. So x264 needs no lookahead.
//
// The log has one line for each picture, so the number of pictures must be limited.
// Therefore each keyframe and the pictures after it, a group, have an ffmpeg of their
// own.
type guidedX264 struct {
	tool     *Tool
	ctx      context.Context //nolint:containedctx // of the children
	opt      Options
	info     trackInfo
	stdout   io.Writer
	files    string // prefix of the log and the FIFO
	capacity int    // pictures in the log

	queue     chan guidedPicture
	free      chan []byte // buffers of pictures that ffmpeg has read
	closeOnce sync.Once   // closes queue
	done      chan struct{}
	err       error         // valid once done is closed
	spent     time.Duration // CPU time of ffmpeg; valid once done is closed

	mu    sync.Mutex
	group *x264Group // of the last keyframe; guarded by mu for other goroutines than run
}

// guidedPicture is a picture to encode.
type guidedPicture struct {
	at      time.Duration
	cluster []byte // in Matroska
	offsets []byte // see [quantizer.update]
	film    bool   // the picture is part of a film
}

// x264Slot is the time between two pictures in the stream that x264 gets. x264 would
// spend most bits on pictures that stay for long, and with other times it would write
// other headers for films. The real times are in the packets that we write.
const x264Slot = 40 * time.Millisecond

// A group ends at the first picture after keyframeInterval of the recording, or after
// maxGroupPictures, or where a film begins or ends. x264 needs 25 ms to read a log of
// 1,800 pictures.
const (
	keyframeInterval = 120 * time.Second
	maxGroupPictures = 600
)

// x264BaseQP is the QP of all pictures, to which x264 adds the offsets.
const x264BaseQP = 26

// startGuided starts an encoder that writes H.264 to stdout.
func (t *Tool) startGuided(ctx context.Context, opt Options, info trackInfo, stdout io.Writer, files string) (*guidedX264, error) {
	info.slot = x264Slot
	length := keyframeInterval
	if opt.Duration > 0 {
		length = min(length, opt.Duration)
	}
	g := &guidedX264{
		tool: t, ctx: ctx, opt: opt, info: info, stdout: stdout, files: files, capacity: min(int(length/opt.slot())+2, maxGroupPictures),
		queue: make(chan guidedPicture, maxQueuedFrames), free: make(chan []byte, lookaheadLimit(opt)), done: make(chan struct{}),
	}
	if err := g.startGroup(false); err != nil { // before it is needed, to save time
		g.removeFiles()
		return nil, err
	}
	go func() {
		defer close(g.done)
		g.err = g.run()
	}()
	return g, nil
}

// logFile and offsetsFile are the names that ffmpeg and x264 use.
func (g *guidedX264) logFile() string     { return g.files + "-0.log" }
func (g *guidedX264) offsetsFile() string { return g.logFile() + ".mbtree" }

func (g *guidedX264) removeFiles() {
	os.Remove(g.logFile())
	os.Remove(g.offsetsFile())
}

// run gives the queued pictures to ffmpeg.
func (g *guidedX264) run() error {
	for p := range g.queue {
		if g.group.ends(p, g.capacity) {
			if err := g.closeGroup(); err != nil {
				return err
			}
			if err := g.startGroup(p.film); err != nil {
				return err
			}
		}
		if err := g.group.add(p); err != nil {
			_ = g.closeGroup()
			return err
		}
		select {
		case g.free <- p.cluster:
		default:
		}
	}
	return g.closeGroup()
}

// startGroup starts an ffmpeg for screens or for a film.
func (g *guidedX264) startGroup(film bool) error {
	group := &x264Group{header: matroskaHeader(g.info), film: film}
	args := append(append([]string{}, rawInputArgs...), g.tool.passthrough...)
	if film {
		args = append(args, x264FilmArgs(g.opt)...)
	} else {
		if err := os.WriteFile(g.logFile(), x264Log(g.info, g.capacity), 0o600); err != nil {
			return fmt.Errorf("video: %w", err)
		}
		fifo, err := makeFIFO(g.offsetsFile())
		if err != nil {
			return err
		}
		group.offsets = newOffsetWriter(fifo, g.capacity)
		args = append(append(args, x264GuidedArgs()...), "-pass", "2", "-passlogfile", g.files)
	}
	args = append(append(args, bt709Args...), "-f", "h264", "pipe:1")
	tool := g.tool
	if tool.cpuLimit > 0 { // for all groups together
		tool = tool.WithCPULimit(max(tool.cpuLimit-g.spent, time.Second))
	}
	ffmpeg, err := tool.startPiped(g.ctx, StepEncode, g.opt.Nice, g.stdout, args...)
	if err != nil {
		group.offsets.close()
		return err
	}
	group.ffmpeg = ffmpeg
	g.mu.Lock()
	defer g.mu.Unlock()
	g.group = group
	return nil
}

func (g *guidedX264) closeGroup() error {
	err := g.group.close()
	g.spent += g.group.ffmpeg.child.cpu()
	return err
}

// add queues a picture. Its error says why ffmpeg ended.
func (g *guidedX264) add(p guidedPicture) error {
	select {
	case g.queue <- p:
		return nil
	case <-g.done:
		return g.err
	}
}

// close waits until ffmpeg has encoded everything and exited.
func (g *guidedX264) close() error {
	g.closeOnce.Do(func() { close(g.queue) })
	<-g.done
	g.removeFiles()
	return g.err
}

// abort kills ffmpeg. After close it does nothing.
func (g *guidedX264) abort() {
	g.kill()
	_ = g.close()
}

func (g *guidedX264) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.group.ffmpeg.child.cancel(context.Canceled)
}

// cpu returns the CPU time of ffmpeg after close.
func (g *guidedX264) cpu() time.Duration { return g.spent }

// x264Group is an ffmpeg that encodes a keyframe and the pictures after it.
type x264Group struct {
	ffmpeg   *pipedChild
	header   []byte        // of the Matroska stream
	film     bool          // x264 chooses the QPs
	offsets  *offsetWriter // nil for films
	start    time.Duration
	pictures int
}

// x264's numbers of slice types, which precede the offsets of a picture.
const (
	sliceTypeP = 0
	sliceTypeI = 2
)

// ends reports whether a picture belongs to the next group.
func (x *x264Group) ends(next guidedPicture, capacity int) bool {
	if x.pictures == 0 {
		return next.film != x.film
	}
	return x.pictures == capacity || next.at-x.start >= keyframeInterval || next.film != x.film
}

func (x *x264Group) add(p guidedPicture) error {
	sliceType := byte(sliceTypeP)
	if x.pictures == 0 {
		sliceType, x.start = sliceTypeI, p.at
		if _, err := x.ffmpeg.Write(x.header); err != nil {
			return err
		}
	}
	x.pictures++
	x.offsets.add(append([]byte{sliceType}, p.offsets...))
	_, err := x.ffmpeg.Write(p.cluster)
	return err
}

// close waits until ffmpeg has read everything and exited.
func (x *x264Group) close() error {
	defer x.offsets.close()
	if x.pictures == 0 { // it could not encode that
		x.ffmpeg.abort()
		return nil
	}
	return x.ffmpeg.close()
}

// offsetWriter writes the offsets of pictures to a FIFO. ffmpeg reads some pictures
// before x264 reads the offsets of the first, so writing pictures must not wait for
// this. If it fails, x264 waits for offsets, which [pipedChild] detects. A nil
// *offsetWriter does nothing.
type offsetWriter struct {
	fifo  *os.File
	queue chan []byte   // room for all of the group
	done  chan struct{} // closed when all is written
}

func newOffsetWriter(fifo *os.File, capacity int) *offsetWriter {
	w := &offsetWriter{fifo: fifo, queue: make(chan []byte, capacity), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for b := range w.queue {
			_, _ = w.fifo.Write(b)
		}
	}()
	return w
}

func (w *offsetWriter) add(offsets []byte) {
	if w != nil {
		w.queue <- offsets
	}
}

// close is called when ffmpeg has exited.
func (w *offsetWriter) close() {
	if w != nil {
		close(w.queue)
		w.fifo.Close()
		<-w.done
	}
}

// makeFIFO makes a FIFO and opens it for writing.
func makeFIFO(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("video: %w", err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("%w: no FIFO for ffmpeg: %w", ErrUnexpected, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0) // for writing only, it would wait for ffmpeg
	if err != nil {
		return nil, fmt.Errorf("video: FIFO for ffmpeg: %w", err)
	}
	return f, nil
}

// x264Log returns the log of a first pass with a number of pictures (see
// x264_ratecontrol_new in x264's encoder/ratecontrol.c). tex, mv and misc are their
// bits: x264 would raise the QP if pictures took more, but not if they were below one
// bit at a QP of -99.
func x264Log(info trackInfo, pictures int) []byte {
	var log bytes.Buffer
	fmt.Fprintf(&log, "#options: %dx%d timebase=1/1000\n", info.width, info.height)
	for i := range pictures {
		kind := "P"
		if i == 0 {
			kind = "I"
		}
		fmt.Fprintf(&log, "in:%d out:%d type:%s dur:40 cpbdur:40 q:-99 aq:%d tex:0 mv:0 misc:0 imb:0 pmb:0 smb:0 d:- ref:;\n", i, i, kind, x264BaseQP)
	}
	return log.Bytes()
}

// x264GuidedArgs returns the options of x264 for screens. docs/PERFORMANCE.md has the
// measurements.
//   - Windows that are moved, and pages that are scrolled, move by many pixels between
//     two pictures (me=umh, merange=64). They move by whole pixels (subme=0).
//   - There is one reference picture.
//   - There are no fades, so weighted prediction is off.
//   - Small blocks suit text (i4x4), and small dead zones keep faint detail.
//   - Nothing remains of what a macroblock showed before (no-dct-decimate).
//   - A deblocking filter would blur text, and it takes a fifth of the decoder's time.
//   - 8×8 transforms do not save bytes. Without them x264 writes the Main profile,
//     and package h264 changes that to High.
//   - x264 reads offsets of macroblocks only with mbtree=1 and an aq-mode. zones sets
//     the QP. The bit rate is not used, but required.
func x264GuidedArgs() []string {
	return []string{
		"-c:v", encoderFor("h264"), "-profile:v", "high", "-pix_fmt", "yuv420p", "-preset", "superfast", "-b:v", "1k", "-threads", "1",
		"-x264-params", x264Headers + ":subme=0:partitions=i4x4:me=umh:merange=64:no-dct-decimate=1:no-deblock=1:" +
			"deadzone-inter=12:deadzone-intra=6:mbtree=1:aq-mode=2:ratetol=inf:zones=0,99999999,q=" + strconv.Itoa(x264BaseQP),
	}
}

// x264FilmArgs returns the options of x264 for films. docs/PERFORMANCE.md has the
// measurements.
//   - What moves in a film moves by parts of pixels (subme=1), but not far (me=dia).
//   - Edges of blocks would be visible in it, so it has a deblocking filter.
//   - Small blocks do not pay (partitions=none).
//   - The pictures are short, so a short lookahead is enough for macroblock-tree.
//   - The headers must be those of groups for screens (stitchable).
func x264FilmArgs(opt Options) []string {
	return []string{
		"-c:v", encoderFor("h264"), "-profile:v", "high", "-pix_fmt", "yuv420p", "-preset", "superfast", "-threads", "1",
		"-crf", strconv.FormatFloat(max(opt.crf()+filmCRFOffset, 0), 'f', 1, 64),
		"-x264-params", x264Headers + ":stitchable=1:subme=1:partitions=none:me=dia:mbtree=1:rc-lookahead=3:aq-mode=2:aq-strength=1",
	}
}

// x264Headers are the options that x264 writes into headers, which all groups share.
const x264Headers = "bframes=0:weightp=0:ref=1:8x8dct=0:chroma-qp-offset=5:keyint=infinite"

// filmCRFOffset is the difference between the CRF of films and that of screens.
const filmCRFOffset = -4
