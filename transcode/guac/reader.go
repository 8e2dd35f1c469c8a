package guac

import (
	"context"
	"errors"
	"io"
	"time"
)

// batch is what happens between two syncs, or a piece of it.
type batch struct {
	fresh bool // begins a new part
	ops   []op
	audio []AudioChunk
	show  bool          // the display is shown after it
	at    time.Duration // when
	since time.Duration // when its slot began
	bytes int64         // read so far
	size  int           // bytes of undecoded images
}

// maxBatch bounds the undecoded images, in bytes, and maxOps the
// instructions that are collected before they are passed on.
const (
	maxBatch = 8 << 20
	maxOps   = 4096
)

// join appends what follows, unless that begins a part or the whole becomes
// too large.
func (b *batch) join(next *batch) bool {
	if next.fresh || len(b.ops)+len(next.ops) > maxOps || b.size+next.size > maxBatch {
		return false
	}
	b.ops = append(b.ops, next.ops...)
	b.audio = append(b.audio, next.audio...)
	b.size += next.size
	return true
}

// reader reads the parts and passes on batches. It stays one sync ahead,
// because only the last sync in a slot of 1/FPS is shown. A slot begins with
// the first sync after one that is shown.
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
	held   *batch // ended by a sync that may or may not be shown
	next   *batch // being collected
	bytes  int64  // of earlier parts

	// Of the part being read.
	parser *Parser
	clock  clock
	offset time.Duration
	shown  time.Duration
	voices voices
	bent   bool // a layer has had a transform or clip
}

func (r *reader) run(ctx context.Context) error {
	r.ctx = ctx
	r.next = &batch{}
	for i, part := range r.parts {
		if err := r.part(i, part); err != nil {
			return err
		}
	}
	// What is drawn after the last sync belongs to the last picture.
	last := r.next
	if r.held != nil {
		last.at = r.held.at
		r.pass(r.held)
	}
	last.show = true
	r.pass(last)
	return r.failed
}

func (r *reader) part(i int, part Part) error {
	in, err := part.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	r.offset, r.shown = r.timeline.offset[i], r.timeline.shown[i]
	r.clock, r.bent = clock{}, false
	if i > 0 {
		// The part before is complete: what it drew last is shown with its
		// last sync.
		r.endPart()
	}
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
	return err
}

// endPart joins what follows the part's last sync to the picture of that sync.
func (r *reader) endPart() {
	if r.held == nil {
		return
	}
	trailing := r.next
	if trailing.fresh { // a whole part without a sync
		return
	}
	r.held.ops = append(r.held.ops, trailing.ops...)
	r.held.audio = append(r.held.audio, trailing.audio...)
	r.next = &batch{}
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
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case errors.As(err, &syntax):
			count(r.bad, "the rest of a part: "+syntax.Error())
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

func (r *reader) audio(track AudioTrack, pcm []byte) { r.voices.add(track, pcm) }

// flush passes on an unfinished batch. The sync before it is then shown even
// if another follows in the same slot.
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
	at = max(at, r.shown) // the part before is shown to its end
	since := at
	if r.held != nil {
		r.held.show = at-r.held.since > r.slot
		if !r.held.show && r.held.join(r.next) { // only the last state of a slot is seen
			r.held.at, r.next = at, &batch{}
			return
		}
		if !r.held.show { // too large to join: the slot goes on
			since = r.held.since
		}
		r.pass(r.held)
	}
	r.held, r.next = r.next, &batch{}
	r.held.at, r.held.since = at, since
}

// pass hands a batch to the painter, then its images to the decoders: in
// this order, so that the painter can free the room that they need.
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
	pictures := make([]*job, 0, len(b.ops))
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
			for _, rest := range pictures[i+1:] { // nobody waits for ever
				rest.err = err
				close(rest.done)
			}
			r.failed = err
			return
		}
	}
}
