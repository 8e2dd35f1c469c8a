package video

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/video/h264"
)

// Limits for delta pictures. Beyond them x264 takes fewer bytes or less time;
// docs/PERFORMANCE.md has the measurements.
const (
	maxDeltaMacroblocks = 200  // macroblocks that differ from the frame before
	maxDeltaBytes       = 4000 // of one delta picture
	maxDeltaRun         = 300  // delta pictures in a row
)

// deltaTrack encodes frames with large changes with x264 and writes frames with small
// changes itself; see package h264.
type deltaTrack struct {
	x264         *guidedX264
	nextX264Time time.Duration // in the stream that x264 gets
	lookahead    *lookahead

	encoder       *h264.DeltaEncoder
	reference     *planes // the last frame given to x264, plus later deltas
	started       bool
	dirty         []bool            // macroblocks that may differ from reference
	changed       []h264.Macroblock // those that do differ
	ghosts        ghosts
	reconstructed []bool          // macroblocks of reference that are as decoded, not as in the source
	changedAt     []time.Duration // last change of each of them
	runLength     int             // deltas since x264's last frame

	mu    sync.Mutex
	queue []queuedFrame // frames whose packet is not written yet; guarded by mu

	out        *os.File
	x264Output *io.PipeWriter // from ffmpeg to merge
	merged     chan error     // result of merge
	stream     h264.Stream
	muxer      muxer // writes to out
	info       trackInfo
	hash       trackDigest // of what was written to out
}

// queuedFrame is a frame whose packet is not written yet.
type queuedFrame struct {
	at    time.Duration
	delta *h264.DeltaSlice // nil: x264 encodes the frame
}

// startDelta starts an encoder that writes a Matroska file.
func (t *Tool) startDelta(ctx context.Context, opt Options, out string) (*deltaTrack, error) {
	file, err := os.Create(out)
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	r, w := io.Pipe()
	info := trackInfo{width: opt.Width, height: opt.Height, slot: opt.slot()}
	x264, err := t.startGuided(ctx, opt, info, w, out)
	if err != nil {
		file.Close()
		return nil, err
	}
	d := &deltaTrack{
		x264: x264, lookahead: newLookahead(opt),
		reference: newPlanes(opt.Width, opt.Height), info: info,
		encoder: h264.NewDeltaEncoder(opt.Width, opt.Height, min(max(int(opt.crf()+deltaQPOffset), 1), 51)),
		out:     file, x264Output: w, merged: make(chan error, 1),
	}
	columns, rows := d.encoder.GridSize()
	d.dirty, d.reconstructed, d.changedAt = make([]bool, columns*rows), make([]bool, columns*rows), make([]time.Duration, columns*rows)
	go func() {
		err := d.merge(r)
		_ = r.CloseWithError(io.ErrClosedPipe) // ffmpeg may stop
		d.merged <- err
	}()
	return d, nil
}

// deltaQPOffset is the difference between the QP of delta pictures and the CRF.
const deltaQPOffset = 5.6

// markChanged records that a rectangle of the next frame may have changed.
func (d *deltaTrack) markChanged(r image.Rectangle) {
	columns, rows := d.encoder.GridSize()
	for y := max(r.Min.Y, 0) / 16; y < min((r.Max.Y+15)/16, rows); y++ {
		for x := max(r.Min.X, 0) / 16; x < min((r.Max.X+15)/16, columns); x++ {
			d.dirty[y*columns+x] = true
		}
	}
}

func (d *deltaTrack) add(at time.Duration, frame *planes) error {
	if delta := d.encodeDelta(at, frame); delta != nil {
		for _, mb := range d.changed {
			d.dirty[mb.Index], d.reconstructed[mb.Index] = false, true
			if !mb.Fine {
				d.changedAt[mb.Index] = at
			}
			d.ghosts.update(mb, at, d.reference.maxError(frame, mb.Index))
		}
		d.runLength++
		d.push(queuedFrame{at: at, delta: delta})
		return d.encodeReady(at)
	}
	d.ghosts.clear()
	changed := d.resetReference(at, frame)
	d.started, d.runLength = true, 0
	d.push(queuedFrame{at: at})
	var buf []byte
	select {
	case buf = <-d.x264.free:
	default:
	}
	d.lookahead.add(largePicture{at: at, cluster: appendCluster(buf[:0], d.nextX264Time, true, frame.pix), changed: changed})
	d.nextX264Time += x264Slot
	return d.encodeReady(at)
}

// encodeReady gives x264 the pictures about which enough is known at a time.
func (d *deltaTrack) encodeReady(now time.Duration) error {
	for d.lookahead.ready(now) {
		if err := d.encodeNext(); err != nil {
			return err
		}
	}
	return nil
}

// encodeNext gives x264 the next picture.
func (d *deltaTrack) encodeNext() error {
	if err := d.x264.add(d.lookahead.take()); err != nil {
		return d.waitMerged(err)
	}
	return nil
}

// encodeDelta returns the delta between frame and the one before, or nil if it is too
// large.
func (d *deltaTrack) encodeDelta(at time.Duration, frame *planes) *h264.DeltaSlice {
	if !d.started || d.runLength >= maxDeltaRun {
		return nil
	}
	d.changed = d.changed[:0]
	for mb, dirty := range d.dirty {
		if !dirty {
			continue
		}
		if d.reference.sameMacroblock(frame, mb) {
			d.dirty[mb] = false
			continue
		}
		if d.changed = append(d.changed, h264.Macroblock{Index: mb}); len(d.changed) > maxDeltaMacroblocks {
			return nil
		}
	}
	d.ghosts.remove(d.changed)
	n := len(d.changed)
	if fine := d.ghosts.ready(at); len(fine) > 0 {
		d.changed = append(d.changed, fine...)
		slices.SortFunc(d.changed, func(a, b h264.Macroblock) int { return a.Index - b.Index })
	}
	delta, ok := d.encoder.Encode(frame.picture(), d.reference.picture(), d.changed, maxDeltaBytes)
	if !ok && n < len(d.changed) { // ghosts are not worth a picture of x264
		d.ghosts.clear()
		d.changed = slices.DeleteFunc(d.changed, func(c h264.Macroblock) bool { return c.Fine })
		delta, ok = d.encoder.Encode(frame.picture(), d.reference.picture(), d.changed, maxDeltaBytes)
	}
	if !ok {
		return nil
	}
	return &delta
}

// refreshAt returns when to encode a picture although nothing has changed, to remove
// ghosts; 0 = never.
func (d *deltaTrack) refreshAt() time.Duration { return d.ghosts.refreshAt() }

// resetReference makes frame the reference of the next deltas. It returns the
// macroblocks that have changed since x264's last picture.
func (d *deltaTrack) resetReference(at time.Duration, frame *planes) (changed []change) {
	for mb, dirty := range d.dirty {
		since := at
		switch {
		case dirty && (!d.started || !d.reference.sameMacroblock(frame, mb)):
		case d.reconstructed[mb]:
			since = d.changedAt[mb]
		default:
			continue
		}
		variance := d.reference.update(frame, mb)
		changed = append(changed, change{int32(mb), detailOf(variance), since})
	}
	clear(d.dirty)
	clear(d.reconstructed)
	return changed
}

func (d *deltaTrack) push(f queuedFrame) {
	d.mu.Lock()
	d.queue = append(d.queue, f)
	d.mu.Unlock()
}

// pop removes and returns the first frame of the queue, if it is of the requested
// type.
func (d *deltaTrack) pop(isDelta bool) (queuedFrame, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 || (d.queue[0].delta != nil) != isDelta {
		return queuedFrame{}, false
	}
	f := d.queue[0]
	d.queue = d.queue[1:]
	return f, true
}

// merge merges x264's pictures and the deltas into one stream.
func (d *deltaTrack) merge(r io.Reader) error {
	file := bufio.NewWriterSize(d.out, 256<<10)
	d.muxer.w = file
	err := h264.Split(r, func(nal []byte) error {
		// Deltas after the last picture of x264 come before this one.
		if err := d.writeDeltas(); err != nil {
			return err
		}
		packet, key, err := d.stream.AddNAL(nal)
		if err != nil || packet == nil {
			return err
		}
		if d.info.config == nil {
			d.info.config = d.stream.DecoderConfig()
			if err := d.muxer.writeHeader(d.info); err != nil {
				return err
			}
			d.hash = newTrackDigest(d.info.config)
		}
		f, ok := d.pop(false)
		if !ok {
			return fmt.Errorf("%w: more pictures than frames", h264.ErrUnexpected)
		}
		return d.write(f.at, key, packet)
	})
	if err != nil {
		return err
	}
	if err := d.writeDeltas(); err != nil {
		return err
	}
	return file.Flush()
}

func (d *deltaTrack) write(at time.Duration, key bool, packet []byte) error {
	d.hash.add(packet)
	return d.muxer.writeBlock(at, key, packet)
}

func (d *deltaTrack) hasDigest() bool { return true }

// digest returns the digest of the finished track.
func (d *deltaTrack) digest() []byte { return d.hash.Sum(nil) }

// writeDeltas writes the deltas at the head of the queue.
func (d *deltaTrack) writeDeltas() error {
	for {
		f, ok := d.pop(true)
		if !ok {
			return nil
		}
		if err := d.write(f.at, false, d.stream.AddDelta(*f.delta)); err != nil {
			return err
		}
	}
}

// waitMerged waits for merge after ffmpeg has ended with err. It returns the first
// error.
func (d *deltaTrack) waitMerged(err error) error {
	_ = d.x264Output.CloseWithError(err) // nil: end of the stream
	mergeErr := <-d.merged
	d.merged <- mergeErr // for the next call
	if closeErr := d.out.Close(); mergeErr == nil && !errors.Is(closeErr, os.ErrClosed) {
		mergeErr = closeErr
	}
	if mergeErr == nil && len(d.queue) > 0 {
		mergeErr = fmt.Errorf("%w: %d pictures are missing", h264.ErrUnexpected, len(d.queue))
	}
	// This ffmpeg may not support what [guidedX264] does.
	if exit := (*exec.ExitError)(nil); d.info.config == nil && errors.As(mergeErr, &exit) && exit.Exited() {
		mergeErr = fmt.Errorf("%w: %w", h264.ErrUnexpected, mergeErr)
	}
	return mergeErr
}

func (d *deltaTrack) close() (time.Duration, error) {
	for len(d.lookahead.pictures) > 0 {
		if err := d.encodeNext(); err != nil {
			return d.x264.cpu(), err
		}
	}
	err := d.waitMerged(d.x264.close())
	return d.x264.cpu(), err
}

func (d *deltaTrack) abort() {
	d.x264.abort()
	_ = d.waitMerged(context.Canceled)
}
