package video

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/video/h264"
)

// Bounds of what is coded as a difference. They are where x264 becomes
// cheaper, in bytes or in time; docs/PERFORMANCE.md has the measurements.
const (
	deltaBlocks = 200  // 16×16 pixels that differ from the frame before, at most
	deltaBytes  = 4000 // of one difference
	deltaRun    = 300  // differences in a row
)

// deltaTrack gives x264 the frames that differ much and writes those that
// differ little itself; see package h264.
type deltaTrack struct {
	ffmpeg  *frames
	weights weights

	coder   *h264.Delta
	base    *planes // the frame that x264 was given last, and differences since
	started bool
	touched []bool        // macroblocks that may differ from base
	changed []h264.Change // those that do
	ghosts  ghosts
	rebuilt []bool // macroblocks of base that are as decoded, not as given
	run     int    // differences since x264's last frame

	mu    sync.Mutex
	queue []entry // frames whose packet is not written; guarded by mu

	out    *os.File
	stdout *io.PipeWriter // ffmpeg's output on its way to join
	done   chan error     // what join answered
	stream h264.Stream
	packed muxer // to out
	info   pictures
	proven proof // of what was written to out
}

// entry is a frame on its way.
type entry struct {
	at    time.Duration
	delta *h264.Difference // nil: comes from x264
}

// delta starts an encoder that writes a Matroska file.
func (t *Tool) delta(ctx context.Context, opt Options, out string) (*deltaTrack, error) {
	file, err := os.Create(out)
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	r, w := io.Pipe()
	args := append(append([]string{}, rawInput...), t.passthrough...)
	args = append(args, x264Weighted(opt)...)
	args = append(args, "-force_key_frames", forceKeys)
	args = append(args, bt709...)
	info := pictures{width: opt.Width, height: opt.Height, slot: opt.slot()}
	ffmpeg, err := t.frames(ctx, opt.Nice, info, w, append(args, "-f", "h264", "pipe:1")...)
	if err != nil {
		file.Close()
		return nil, err
	}
	d := &deltaTrack{
		ffmpeg: ffmpeg, base: newPlanes(opt.Width, opt.Height), info: info, weights: weights{least: opt.slot()},
		coder: h264.NewDelta(opt.Width, opt.Height, min(max(int(weightedCRF(opt))+deltaQP, 1), 51)),
		out:   file, stdout: w, done: make(chan error, 1),
	}
	columns, rows := d.coder.Macroblocks()
	d.touched, d.rebuilt = make([]bool, columns*rows), make([]bool, columns*rows)
	go func() {
		err := d.join(r)
		_ = r.CloseWithError(io.ErrClosedPipe) // ffmpeg need not go on
		d.done <- err
	}()
	return d, nil
}

// deltaQP is the quantiser of differences above the rate factor.
const deltaQP = 2

// touch notes that a rectangle of the frame to come may differ.
func (d *deltaTrack) touch(r image.Rectangle) {
	columns, rows := d.coder.Macroblocks()
	for y := max(r.Min.Y, 0) / 16; y < min((r.Max.Y+15)/16, rows); y++ {
		for x := max(r.Min.X, 0) / 16; x < min((r.Max.X+15)/16, columns); x++ {
			d.touched[y*columns+x] = true
		}
	}
}

func (d *deltaTrack) add(at time.Duration, frame *planes) error {
	if diff := d.difference(at, frame); diff != nil {
		for _, c := range d.changed {
			d.touched[c.MB], d.rebuilt[c.MB] = false, true
			d.ghosts.note(c, at, d.base.blockError(frame, c.MB))
		}
		d.run++
		d.push(entry{at: at, delta: diff})
		return nil
	}
	d.ghosts.clear()
	changed := d.rebase(frame)
	d.started, d.run = true, 0
	d.push(entry{at: at})
	if err := d.ffmpeg.add(d.weights.next(at, changed > len(d.touched)/2), frame.pix); err != nil {
		return d.end(err)
	}
	return nil
}

// difference is frame's from the one before, or nil when that is too much.
func (d *deltaTrack) difference(at time.Duration, frame *planes) *h264.Difference {
	if !d.started || d.run >= deltaRun {
		return nil
	}
	d.changed = d.changed[:0]
	for mb, touched := range d.touched {
		if !touched {
			continue
		}
		if d.base.sameBlock(frame, mb) {
			d.touched[mb] = false
			continue
		}
		if d.changed = append(d.changed, h264.Change{MB: mb}); len(d.changed) > deltaBlocks {
			return nil
		}
	}
	d.ghosts.forget(d.changed)
	n := len(d.changed)
	if fine := d.ghosts.resting(at); len(fine) > 0 {
		d.changed = append(d.changed, fine...)
		slices.SortFunc(d.changed, func(a, b h264.Change) int { return a.MB - b.MB })
	}
	diff, ok := d.coder.Encode(frame.picture(), d.base.picture(), d.changed, deltaBytes)
	if !ok && n < len(d.changed) { // it is not worth a picture of x264's
		d.ghosts.clear()
		d.changed = slices.DeleteFunc(d.changed, func(c h264.Change) bool { return c.Fine })
		diff, ok = d.coder.Encode(frame.picture(), d.base.picture(), d.changed, deltaBytes)
	}
	if !ok {
		return nil
	}
	return &diff
}

// due returns when a picture is wanted although nothing has changed, to remove what
// changes have left; 0 = not at all.
func (d *deltaTrack) due() time.Duration { return d.ghosts.due() }

// rebase makes frame the one that differences are from, and returns how many
// macroblocks may differ from the one before.
func (d *deltaTrack) rebase(frame *planes) int {
	n := 0
	for mb := range d.touched {
		d.touched[mb] = d.touched[mb] || d.rebuilt[mb]
		if d.touched[mb] {
			n++
		}
	}
	clear(d.rebuilt)
	if n > len(d.touched)/4 { // faster than block by block
		copy(d.base.pix, frame.pix)
		clear(d.touched)
		return n
	}
	for mb, touched := range d.touched {
		if touched {
			d.base.copyBlock(frame, mb)
			d.touched[mb] = false
		}
	}
	return n
}

func (d *deltaTrack) push(e entry) {
	d.mu.Lock()
	d.queue = append(d.queue, e)
	d.mu.Unlock()
}

// pop takes the first frame from the queue, if it is of the kind asked for.
func (d *deltaTrack) pop(delta bool) (entry, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 || (d.queue[0].delta != nil) != delta {
		return entry{}, false
	}
	e := d.queue[0]
	d.queue = d.queue[1:]
	return e, true
}

// join makes one stream of x264's packets and the differences between them.
func (d *deltaTrack) join(r io.Reader) error {
	file := bufio.NewWriterSize(d.out, 256<<10)
	d.packed.w = file
	err := h264.Split(r, func(nal []byte) error {
		// What follows the picture before belongs to that one.
		if err := d.deltas(); err != nil {
			return err
		}
		packet, key, err := d.stream.NAL(nal)
		if err != nil || packet == nil {
			return err
		}
		if d.info.config == nil {
			d.info.config = d.stream.Config()
			if err := d.packed.header(d.info); err != nil {
				return err
			}
			d.proven = newProof(d.info.config)
		}
		e, ok := d.pop(false)
		if !ok {
			return fmt.Errorf("%w: a picture more than was given", h264.ErrUnexpected)
		}
		return d.write(e.at, key, packet)
	})
	if err != nil {
		return err
	}
	if err := d.deltas(); err != nil {
		return err
	}
	return file.Flush()
}

func (d *deltaTrack) write(at time.Duration, key bool, packet []byte) error {
	d.proven.add(packet)
	return d.packed.block(at, key, packet)
}

func (d *deltaTrack) proves() bool { return true }

// proof is that of the finished track.
func (d *deltaTrack) proof() []byte { return d.proven.Sum(nil) }

// deltas writes the differences that stand at the queue's front.
func (d *deltaTrack) deltas() error {
	for {
		e, ok := d.pop(true)
		if !ok {
			return nil
		}
		if err := d.write(e.at, false, d.stream.Delta(*e.delta)); err != nil {
			return err
		}
	}
}

// end waits for join after ffmpeg has ended with err. What failed first is
// the answer.
func (d *deltaTrack) end(err error) error {
	_ = d.stdout.CloseWithError(err) // nil: the end of the stream
	joined := <-d.done
	d.done <- joined // for the next call
	if cerr := d.out.Close(); joined == nil && !errors.Is(cerr, os.ErrClosed) {
		joined = cerr
	}
	if joined == nil && len(d.queue) > 0 {
		joined = fmt.Errorf("%w: %d pictures too few", h264.ErrUnexpected, len(d.queue))
	}
	return joined
}

func (d *deltaTrack) close() (time.Duration, error) {
	err := d.end(d.ffmpeg.close())
	return d.ffmpeg.cpu(), err
}

func (d *deltaTrack) abort() {
	d.ffmpeg.abort()
	_ = d.end(context.Canceled)
}
