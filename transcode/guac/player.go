package guac

import (
	"context"
	"fmt"
	"image"
	"io"
	"maps"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Part is one stand-alone dump of a recording.
type Part struct {
	Open    func() (io.ReadCloser, error) // the uncompressed dump
	Summary Summary                       // what [Scan] said of it
}

// Options say how a recording is played. Zero values stand for the defaults.
type Options struct {
	FPS           int           // most frames a second (15)
	Width, Height int           // canvas, pixels (the largest display, rounded up to even)
	Repeat        time.Duration // longest time without a frame (10 s; more where there would be too many)
	Workers       int           // image decoders (one per processor)
	Limits        Limits        // [DefaultLimits]
	Stored        int64         // bytes of the recording as it is kept, compressed (those of the dump)
}

// Frame is a picture to be shown from Time on.
type Frame struct {
	Time   time.Duration     // since the first sync, strictly increasing
	Image  *image.RGBA       // the whole canvas, opaque, pointer included; valid during the call only
	Damage []image.Rectangle // what has changed since the frame before, disjoint; empty = nothing
}

// AudioChunk is sound that begins at Time.
type AudioChunk struct {
	Time           time.Duration
	Rate, Channels int
	PCM            []byte // signed 16-bit little-endian, channels interleaved
}

// Sink takes frames and sound in the order of time. Its methods are called
// from one goroutine.
type Sink interface {
	Frame(Frame) error
	Audio(AudioChunk) error
}

// Stats tell how playing went.
type Stats struct {
	Frames   int
	Duration time.Duration
	Work     int64    // what was done, see [ErrTooCostly]
	Allowed  int64    // what might have been done
	Warnings []string // what could not be obeyed, one line of each kind
	Missing  []string // those of Warnings for which something of the recording may not be shown or heard
}

// Play draws a recording and hands frames and sound to sink. progress, when
// not nil, is told the time reached and the bytes read.
//
// Errors: [ErrNothingDrawn], [ErrTooCostly], the sink's and the readers' errors
// as they are, and the context's. Instructions that cannot be obeyed are skipped
// and told in Stats.
func Play(ctx context.Context, parts []Part, opt Options, sink Sink, progress func(done time.Duration, bytes int64)) (Stats, error) {
	return playWithin(ctx, allowance, parts, opt, sink, progress)
}

// playWithin is Play with a rule for how much work is allowed.
func playWithin(ctx context.Context, allowed allowing, parts []Part, opt Options, sink Sink, progress func(done time.Duration, bytes int64)) (Stats, error) {
	timeline := timelineOf(parts)
	opt = opt.withDefaults(parts, timeline.Duration())
	if opt.Width <= 0 || opt.Height <= 0 {
		return Stats{}, ErrNothingDrawn
	}
	group, ctx := errgroup.WithContext(ctx)
	work := &meter{limit: allowed(image.Pt(opt.Width, opt.Height), timeline.Duration(), opt.Stored)}
	decoders := newPool(opt.Workers, opt.Limits, work)
	read := &reader{
		opt: opt, parts: parts, timeline: timeline, decoders: decoders,
		out: make(chan *batch, 4), bad: map[string]int{}, noise: map[string]int{}, slot: time.Second / time.Duration(opt.FPS),
	}
	draw := &painter{
		opt: opt, sink: sink, decoders: decoders, progress: progress, slot: read.slot, total: timeline.Duration(), meter: work,
		display: newDisplay(opt.Limits, work), canvas: image.NewRGBA(image.Rect(0, 0, opt.Width, opt.Height)), bad: map[string]int{},
	}
	group.Go(func() error {
		defer decoders.close()
		defer close(read.out)
		return read.run(ctx)
	})
	group.Go(func() error { return draw.run(ctx, read.out) })
	err := group.Wait()
	missing := warnings(read.bad, draw.bad)
	stats := Stats{
		Frames: draw.frames, Duration: draw.total, Work: work.done.Load(), Allowed: work.limit,
		Warnings: append(warnings(read.noise), missing...), Missing: missing,
	}
	if err == nil && !draw.drawn {
		err = ErrNothingDrawn
	}
	return stats, err
}

// Allowed is the work that [Play] would allow. A unit of it takes a nanosecond at
// most on an ordinary machine.
func Allowed(parts []Part, opt Options) int64 {
	length := timelineOf(parts).Duration()
	opt = opt.withDefaults(parts, length)
	return allowance(image.Pt(opt.Width, opt.Height), length, opt.Stored)
}

func timelineOf(parts []Part) Timeline {
	summaries := make([]Summary, len(parts))
	for i, p := range parts {
		summaries[i] = p.Summary
	}
	return NewTimeline(summaries)
}

// maxRepeated bounds the pixels of repetitions all together, so that days of
// idling on a large display do not cost minutes: every 10 s for 24 h of 1080p.
const maxRepeated = 18e9

func (o Options) withDefaults(parts []Part, length time.Duration) Options {
	if o.FPS <= 0 {
		o.FPS = 15
	}
	o.Limits = o.Limits.orDefault()
	if o.Width == 0 || o.Height == 0 {
		for _, p := range parts {
			o.Width, o.Height = max(o.Width, p.Summary.Width), max(o.Height, p.Summary.Height)
		}
	}
	o.Width, o.Height = o.Width+o.Width&1, o.Height+o.Height&1
	if o.Stored <= 0 {
		for _, p := range parts {
			o.Stored += p.Summary.Bytes
		}
	}
	if o.Repeat <= 0 {
		rest := float64(length) * float64(o.Width) * float64(o.Height) / maxRepeated
		o.Repeat = max(10*time.Second, time.Duration(rest).Truncate(time.Millisecond))
	}
	return o
}

// warnings makes one line of each kind of trouble.
func warnings(kinds ...map[string]int) []string {
	var lines []string
	for _, kind := range kinds {
		for _, what := range slices.Sorted(maps.Keys(kind)) {
			lines = append(lines, fmt.Sprintf("skipped %s (%d times)", what, kind[what]))
		}
	}
	return lines
}

// painter draws batches and emits frames.
type painter struct {
	opt      Options
	sink     Sink
	decoders *pool
	progress func(time.Duration, int64)
	slot     time.Duration
	total    time.Duration
	meter    *meter
	heard    time.Duration // end of the sound so far
	began    time.Duration // of the thread, when drawing began

	display *display
	canvas  *image.RGBA
	frames  int
	last    time.Duration // of the last frame
	drawn   bool
	bad     map[string]int
}

func (p *painter) run(ctx context.Context, in <-chan *batch) error {
	// What a thread has used of the processor is what drawing has used as long
	// as nothing else runs on it. Rests and waiting for others do not count.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.began = threadTime()
	for b := range in {
		if err := p.batch(ctx, b); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.retire()
	return p.finish()
}

func (p *painter) batch(ctx context.Context, b *batch) error {
	if b.fresh { // a part is a stand-alone dump: it draws everything anew
		p.retire()
		p.display = newDisplay(p.opt.Limits, p.meter)
		p.display.all = true
	}
	p.display.lim = p.opt.Limits.granted(b.bytes)
	for i := range b.ops {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		o := &b.ops[i]
		p.display.do(o)
		p.display.tidy()
		if o.pic != nil {
			p.decoders.release(o.pic)
		}
		if p.meter.over() || i%64 == 63 && p.late() {
			return ErrTooCostly
		}
	}
	if p.late() {
		return ErrTooCostly
	}
	for _, chunk := range b.audio {
		if err := p.sound(chunk); err != nil {
			return err
		}
	}
	if b.show {
		if err := p.show(b.at); err != nil {
			return err
		}
	}
	if p.progress != nil {
		p.progress(b.at, b.bytes)
	}
	return nil
}

// late reports whether drawing has taken much more time than the work that is
// allowed stands for: a cost that nobody thought of.
func (p *painter) late() bool { return threadTime()-p.began > slowest*time.Duration(p.meter.limit) }

// sound hands on sound. The silence before it is encoded, too.
func (p *painter) sound(c AudioChunk) error {
	end := c.Time + time.Duration(len(c.PCM)/2/c.Channels)*time.Second/time.Duration(c.Rate)
	if end > p.heard {
		if !p.meter.spend(int((end - p.heard).Seconds() * costSecond)) {
			return ErrTooCostly
		}
		p.heard = end
	}
	return p.sink.Audio(c)
}

// retire keeps what the display knows before it is replaced.
func (p *painter) retire() {
	p.drawn = p.drawn || p.display.drawn
	for what, n := range p.display.problems {
		p.bad[what] += n
	}
}

// show emits the display as it is now, to be seen from at on.
func (p *painter) show(at time.Duration) error {
	if p.frames == 0 {
		p.display.compose(p.canvas)
		p.display.tidy()
		return p.emit(0, []image.Rectangle{p.canvas.Rect})
	}
	if err := p.repeat(at); err != nil {
		return err
	}
	damage := p.display.compose(p.canvas)
	p.display.tidy()
	if len(damage) > 0 {
		return p.emit(at, damage)
	}
	return nil
}

// repeat emits the picture again as often as needed before a time.
func (p *painter) repeat(before time.Duration) error {
	for p.last+p.opt.Repeat+p.slot < before {
		if err := p.emit(p.last+p.opt.Repeat, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *painter) emit(at time.Duration, damage []image.Rectangle) error {
	work := 0 // repetitions have a bound of their own
	if len(damage) > 0 {
		work = area(p.canvas.Rect) / 2 * costTwo
	}
	for _, r := range damage {
		work += area(r) * costEncode
	}
	if !p.meter.spend(work) { // or composing it was too much
		return ErrTooCostly
	}
	p.frames++
	p.last = at
	return p.sink.Frame(Frame{Time: at, Image: p.canvas, Damage: damage})
}

// finish holds the last picture to the end.
func (p *painter) finish() error {
	if p.frames == 0 {
		return p.show(0)
	}
	if err := p.repeat(p.total); err != nil {
		return err
	}
	if hold := (p.total - p.slot).Truncate(time.Millisecond); hold > p.last {
		return p.emit(hold, nil)
	}
	return nil
}
