package guac

import (
	"context"
	"errors"
	"io"
	"time"
)

// batch is the instructions between two syncs, or a part of them.
type batch struct {
	fresh bool // it begins a new part
	ops   []op
	audio []AudioChunk
	show  bool          // the display is shown after it
	tail  bool          // it follows the last sync of a part: it is shown only if it leaves a whole picture
	at    time.Duration // time of the sync
	since time.Duration // start of its slot
	bytes int64         // bytes read so far
	size  int           // bytes of undecoded images
}

// maxBatch limits the undecoded images of a batch, in bytes, and maxOps its
// instructions.
const (
	maxBatch = 8 << 20
	maxOps   = 4096
)

// join appends the next batch, unless that begins a part or the result would be too
// large.
func (b *batch) join(next *batch) bool {
	if next.fresh || len(b.ops)+len(next.ops) > maxOps || b.size+next.size > maxBatch {
		return false
	}
	b.ops = append(b.ops, next.ops...)
	b.audio = append(b.audio, next.audio...)
	b.size += next.size
	return true
}

// reader reads the parts and passes on batches. It stays one sync ahead, because
// only the last sync in a slot of 1/FPS is shown. A slot begins with the first sync
// after one that is shown.
type reader struct {
	opt      Options
	parts    []Part
	timeline Timeline
	decoders *pool
	out      chan *batch
	slot     time.Duration
	bad      map[string]int
	noise    map[string]int

	ctx    context.Context
	failed error
	held   *batch        // ended by a sync; whether it is shown is not known yet
	next   *batch        // being collected
	bytes  int64         // of earlier parts
	begun  bool          // there was a sync
	at     time.Duration // time of the last one

	// State of the part that is being read.
	parser *Parser
	clock  clock
	offset time.Duration
	shown  time.Duration
	voices voices
	bent   bool // a layer had a transform or clip
	timed  bool // it has a sync
	cut    bool // it ends inside an instruction, or an image
}

func (r *reader) run(ctx context.Context) error {
	r.ctx = ctx
	r.next = &batch{}
	for i, part := range r.parts {
		if err := r.part(i, part); err != nil {
			return err
		}
	}
	r.endPart(true)
	if r.held != nil {
		r.held.show = true
		r.pass(r.held)
	}
	return r.failed
}

func (r *reader) part(i int, part Part) error {
	in, err := part.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	r.offset, r.shown = r.timeline.offset[i], r.timeline.shown[i]
	if i > 0 {
		r.endPart(false)
		r.voices.part()
	}
	r.clock, r.bent, r.timed, r.cut = clock{}, false, false, false
	r.next.fresh = true
	r.parser = NewParser(in)
	t := newInterpreter(r.opt.Limits, r)
	err = r.all(t)
	for what, n := range t.unknown {
		r.bad[what] += n
	}
	for what, n := range t.noise {
		r.noise[what] += n
	}
	for what, n := range t.bad {
		r.bad[what] += n
	}
	r.bytes += r.parser.Offset()
	r.cut = r.cut || t.drawing()
	return err
}

// endPart decides what to do with the instructions after the last sync of a part.
// guacd may draw there, and it may have been stopped while it did. They are shown
// with the last sync if they leave a whole picture, which the painter checks. A
// part without a sync has no time: its picture is shown only if it is the last
// part.
func (r *reader) endPart(last bool) {
	tail := r.next
	r.next = &batch{}
	if r.held != nil { // its time is known
		r.held.audio = append(r.held.audio, tail.audio...)
	}
	tail.audio = nil
	drawn := 0
	for i, o := range tail.ops {
		if o.code.draws() {
			drawn = i + 1
		}
	}
	tail.ops = tail.ops[:drawn] // what follows can only remove things
	switch {
	case drawn == 0, !r.timed && !last:
	case !r.begun: // there is nothing else to show
		tail.show = last
		r.pass(tail)
	case r.cut: // usual for parts that another one follows
	default:
		tail.tail, tail.at, tail.since = true, r.at, r.at
		if r.held != nil {
			tail.since = r.held.since
			r.pass(r.held)
		}
		r.held = tail
	}
}

func (r *reader) all(t *interpreter) error {
	for {
		in, err := r.parser.Next()
		var syntax *SyntaxError
		switch {
		case r.failed != nil:
			return r.failed
		case err == nil:
			t.interpret(in, 0)
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			r.cut = true
			return nil
		case errors.As(err, &syntax): // reported as Summary.Broken
			r.cut = true
			return nil
		default:
			return err
		}
	}
}

func (r *reader) op(o op) {
	switch o.code {
	case opClip, opTransform, opDistort:
		r.bent = true
	}
	r.next.ops = append(r.next.ops, o)
	if len(r.next.ops) >= maxOps || r.next.size >= maxBatch {
		r.flush()
	}
}

func (r *reader) picture(o op, mimetype string, data []byte) {
	o.pic = newPicture(mimetype, data)
	r.next.size += len(data)
	r.op(o)
}

func (r *reader) audio(s *stream, pcm []byte) {
	if !r.voices.add(s, pcm) {
		count(r.bad, "more sound at once than can be kept")
	}
}

func (r *reader) ended(s *stream) { r.voices.end(s) }

// flush passes on an unfinished batch. The sync before it is then shown, even if
// another one follows in the same slot.
func (r *reader) flush() {
	if r.held != nil {
		r.held.show = true
		r.pass(r.held)
		r.held = nil
	}
	r.pass(r.next)
	r.next = &batch{}
}

func (r *reader) sync(timestamp int64) {
	at := r.offset + r.clock.advance(timestamp, r.opt.Limits)
	r.next.audio = append(r.next.audio, r.voices.until(at, r.shown)...)
	at = max(at, r.shown) // the previous part is shown to its end
	r.at, r.begun, r.timed = at, true, true
	since := at
	if r.held != nil {
		r.held.show = at-r.held.since > r.slot
		if !r.held.show && r.held.join(r.next) { // only the last state of a slot is visible
			r.held.at, r.next = at, &batch{}
			return
		}
		if !r.held.show { // too large to be joined: the slot continues
			since = r.held.since
		}
		r.pass(r.held)
	}
	r.held, r.next = r.next, &batch{}
	r.held.at, r.held.since = at, since
}

// pass passes a batch to the painter, then its images to the decoders: in this
// order, so that the painter can free the room that they need.
func (r *reader) pass(b *batch) {
	if r.failed != nil {
		return
	}
	b.bytes = r.bytes
	if r.parser != nil {
		b.bytes += r.parser.Offset()
	}
	if !r.bent {
		b.ops = uncovered(b.ops, r.opt.Limits)
	}
	pictures := make([]*pendingImage, 0, len(b.ops))
	for _, o := range b.ops {
		if o.pic != nil {
			pictures = append(pictures, o.pic)
		}
	}
	select {
	case r.out <- b:
	case <-r.ctx.Done():
		r.failed = context.Cause(r.ctx)
		return
	}
	for i, j := range pictures {
		if err := r.decoders.submit(r.ctx, j); err != nil {
			for _, rest := range pictures[i+1:] { // so that no one waits forever
				rest.err = err
				close(rest.done)
			}
			r.failed = err
			return
		}
	}
}
