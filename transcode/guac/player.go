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
	Summary Summary                       // the result of [Scan]
}

// Options say how a recording is played. Zero values mean the defaults.
type Options struct {
	FPS           int           // maximum frame rate, per second (15)
	Width, Height int           // of the screen, pixels (the largest display, rounded up to even)
	Scaled        image.Point   // size of the frames, if smaller than the screen (that of the screen)
	Repeat        time.Duration // longest time without a frame (10 s; more if there would be too many)
	Workers       int           // image decoders (one per processor)
	Limits        Limits        // [DefaultLimits]
	Stored        int64         // size of the compressed recording in bytes (that of the dump)
}

// Frame is a picture to be shown from Time on.
type Frame struct {
	Time   time.Duration     // since the first sync, strictly increasing
	Image  *image.RGBA       // the whole screen, opaque, including the pointer; valid during the call only
	Damage []image.Rectangle // what has changed since the previous frame, disjoint; empty = nothing
}

// AudioChunk is sound that begins at Time. Chunks of several streams may overlap in
// time. They come approximately in the order of time, and those of one stream
// exactly.
type AudioChunk struct {
	Time           time.Duration
	Stream         int // number of the sound that it belongs to
	Rate, Channels int
	PCM            []byte // signed 16-bit little-endian, channels interleaved
}

// Sink receives frames and sound in the order of time. Its methods are called from
// one goroutine.
type Sink interface {
	Frame(Frame) error
	Audio(AudioChunk) error
}

// Stats describe the result of playing.
type Stats struct {
	Frames   int
	Duration time.Duration
	Work     int64    // work that was done, see [ErrTooCostly]
	Allowed  int64    // work that was allowed
	Warnings []string // instructions that could not be executed, one line for each kind
	Missing  []string // those of Warnings because of which parts of the recording may be missing
}

// Play draws a recording and passes frames and sound to sink. If progress is not
// nil, it is called with the time reached and the bytes read.
//
// Errors: [ErrNothingDrawn], [ErrTooCostly], the unchanged errors of the sink and
// the readers, and the context's. Instructions that cannot be executed are skipped
// and reported in Stats.
func Play(ctx context.Context, parts []Part, opt Options, sink Sink, progress func(done time.Duration, bytes int64)) (Stats, error) {
	return playWithin(ctx, allowance, parts, opt, sink, progress)
}

// playWithin is Play with a rule for the allowed work.
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
		display: newDisplay(opt.Limits, work), view: newView(image.Pt(opt.Width, opt.Height), opt.Scaled), bad: map[string]int{},
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

// Allowed returns the work that [Play] would allow. One unit takes at most a
// nanosecond on an ordinary machine.
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

// maxRepeated limits the pixels of all repeated frames, so that days of idling on a
// large display do not cost minutes: every 10 s for 24 h of 1080p.
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
	o.Limits = o.Limits.of(o.Width, o.Height)
	if o.Scaled == (image.Point{}) {
		o.Scaled = image.Pt(o.Width, o.Height)
	}
	if o.Stored <= 0 {
		for _, p := range parts {
			o.Stored += p.Summary.Bytes
		}
	}
	if o.Repeat <= 0 {
		rest := float64(length) * float64(o.Scaled.X) * float64(o.Scaled.Y) / maxRepeated
		o.Repeat = max(10*time.Second, time.Duration(rest).Truncate(time.Millisecond))
	}
	return o
}

// warnings returns one line for each kind of warning.
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
	began    time.Duration // CPU time of the thread when drawing began

	display *display
	view    *view
	changed region // of the view since the last frame
	frames  int
	last    time.Duration // of the last frame
	drawn   bool
	bad     map[string]int
}

func (p *painter) run(ctx context.Context, in <-chan *batch) error {
	// The CPU time of a thread is that of drawing as long as nothing else runs on
	// it. It does not include waiting.
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
	holes := 0
	if b.tail && b.show { // the present picture is shown if the tail leaves no whole picture
		if err := p.prepare(b.at); err != nil {
			return err
		}
		holes = p.display.holes()
		p.drawn, p.display.drawn = p.drawn || p.display.drawn, false
	}
	if b.fresh { // a part is a stand-alone dump and draws everything again
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
		if b.tail && !p.display.whole(holes) {
			if p.display.drawn {
				count(p.bad, "drawing after the last sync, which leaves no whole picture")
			}
			p.display.drawn = false
		} else if err := p.prepare(b.at); err != nil {
			return err
		}
		if err := p.show(b.at); err != nil {
			return err
		}
	}
	if p.progress != nil {
		p.progress(b.at, b.bytes)
	}
	return nil
}

// late reports whether drawing has taken much more CPU time than the allowed work
// stands for, because of a cost that is not counted.
func (p *painter) late() bool { return threadTime()-p.began > slowest*time.Duration(p.meter.limit) }

// sound passes on sound. The silence before it is also encoded and therefore
// counted.
func (p *painter) sound(c AudioChunk) error {
	length := samplesTime(len(c.PCM)/2/c.Channels, c.Rate)
	if !p.meter.spend(int((length + max(c.Time-p.heard, 0)).Seconds() * costSecond)) {
		return ErrTooCostly
	}
	p.heard = max(p.heard, c.Time+length)
	return p.sink.Audio(c)
}

// retire keeps the display's results before it is replaced.
func (p *painter) retire() {
	p.drawn = p.drawn || p.display.drawn
	for what, n := range p.display.problems {
		p.bad[what] += n
	}
}

// prepare updates the canvas for a time.
func (p *painter) prepare(at time.Duration) error {
	if p.frames > 0 {
		if err := p.repeat(at); err != nil {
			return err
		}
	}
	for _, r := range p.display.compose(p.view) {
		p.changed.add(r)
	}
	p.display.tidy()
	return nil
}

// show emits the canvas, to be shown from at on.
func (p *painter) show(at time.Duration) error {
	defer p.changed.clear()
	switch {
	case p.frames == 0:
		return p.emit(0, []image.Rectangle{p.view.canvas.Rect})
	case p.changed.empty():
		return nil
	}
	return p.emit(max(at, p.last+time.Millisecond), p.changed.rects)
}

// repeat emits the picture again as often as necessary before a time.
func (p *painter) repeat(before time.Duration) error {
	for p.last+p.opt.Repeat+p.slot < before {
		if err := p.emit(p.last+p.opt.Repeat, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *painter) emit(at time.Duration, damage []image.Rectangle) error {
	work := 0 // repetitions have a limit of their own
	if len(damage) > 0 {
		work = area(p.view.canvas.Rect) / 2 * costTwo
	}
	for _, r := range damage {
		work += area(r) * costEncode
	}
	if !p.meter.spend(work) { // or composing it exceeded the limit
		return ErrTooCostly
	}
	p.frames++
	p.last = at
	return p.sink.Frame(Frame{Time: at, Image: p.view.canvas, Damage: damage})
}

// finish shows the last picture until the end.
func (p *painter) finish() error {
	if p.frames == 0 {
		if err := p.prepare(0); err != nil {
			return err
		}
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
