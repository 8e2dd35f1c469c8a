package guac

import (
	"errors"
	"image"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTooCostly is returned by [Play] for a recording that asks for far more
// work than a session of its size and length does. What was drawn until then
// is of no use.
var ErrTooCostly = errors.New("the recording asks for far more drawing than a session of its size and length does")

// Work is counted in the time that a pixel takes to be copied, about a
// nanosecond. What an instruction costs is known before it is executed, from
// the areas that it concerns, so that nothing is measured per pixel and the
// same recording costs the same everywhere. The costs are upper bounds of what
// the functions take on a slow machine, for one pixel where nothing else is
// said.
const (
	costOp       = 5000 // one instruction
	costLayer    = 100  // looking at one layer
	costCopy     = 1
	costOver     = 2  // source-over of what is mostly opaque
	costBlend    = 15 // any other mask
	costTransfer = 20
	costFade     = 20
	costPaint    = 80  // through a coverage
	costSample   = 200 // likewise, with the colours of an image
	costLine     = 150 // one line of an outline, in one piece of the area
	costCross    = 10  // one line, per row and column of the area
	costTwo      = 1   // two pixels of a frame: what has not changed is decoded while verifying
	costEncode   = 20  // what has changed in a frame
	costSecond   = 3e6 // a second of sound or silence
	costDecode   = 40  // an image
	costByte     = 50  // of its data
)

// What is allowed is in proportion to what is there: the bytes that are stored,
// and the screen and the length that are claimed, whichever of the two is less.
// Claims cost nothing. Bytes do, and each picture that is shown takes a dozen of
// them at least, for its time. Real recordings need a twentieth of it at most,
// which TestRealRecordingsAreFarFromTooCostly makes sure of.
const (
	workBase     = 10e9 // of any recording
	workPerByte  = 1e6  // of its stored bytes
	workPerPixel = 1e4  // of its canvas, each second
	workSlack    = 10 * time.Second
)

// allowing is a rule for how much work a recording may take.
type allowing func(canvas image.Point, length time.Duration, stored int64) int64

// allowance is the rule.
func allowance(canvas image.Point, length time.Duration, stored int64) int64 {
	claimed := workPerPixel * float64(canvas.X) * float64(canvas.Y) * (length + workSlack).Seconds()
	return int64(min(workBase+min(claimed, workPerByte*float64(stored)), math.MaxInt64/(2*slowest)))
}

// slowest is how many nanoseconds a slow machine may take for what is counted
// as one. Here it is half of one.
const slowest = 4

// threadTime is what this thread has used of the processor. Whoever compares
// two of them must have locked the goroutine to its thread.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // Linux always has it
	return time.Duration(t.Nano())
}

// meter counts work. Its methods may be called from several goroutines.
type meter struct {
	done  atomic.Int64
	limit int64
}

// unlimited is for displays that nobody bounds.
func unlimited() *meter { return &meter{limit: math.MaxInt64 / 2} }

// spend counts work that is about to be done. It reports whether it may be.
func (m *meter) spend(work int) bool { return m.done.Add(int64(work)) <= m.limit }

// over reports whether more was asked for than is allowed.
func (m *meter) over() bool { return m.done.Load() > m.limit }

// costDraw is that of a pixel of [drawImage].
func costDraw(m Mask, opaque bool) int {
	switch {
	case m == MaskSrc || m == MaskOver && opaque:
		return costCopy
	case m == MaskOver:
		return costOver
	}
	return costBlend
}

// outlineWork is what there is to be done for an outline.
type outlineWork struct {
	lines int // that it is drawn with
	cross int // rows and columns that they cross
}

// cost is that of an outline that is rasterised in so many pieces.
func (o outlineWork) cost(pieces int) int { return o.lines*pieces*costLine + o.cross*costCross }

// outline is the work for a path's inside. Nothing is done for what lies
// outside of the canvas, but there may be a line along all of it. bent says that
// it is followed under another transform, by which curves may be longer.
func (p *path) outline(canvas image.Rectangle, bent bool) (o outlineWork) {
	var at, first [2]float64
	size := [2]float64{float64(canvas.Dx()), float64(canvas.Dy())}
	for _, s := range p.segments {
		n := 1
		var way [2]float64
		to := func(x, y float64) {
			way[0], way[1] = way[0]+math.Abs(x-at[0]), way[1]+math.Abs(y-at[1])
			at = [2]float64{x, y}
		}
		switch s.kind {
		case moveTo, closePath: // what is open is closed
			to(first[0], first[1])
			if s.kind == moveTo {
				at = [2]float64{s.p[0], s.p[1]}
				first = at
			}
		case curveTo:
			if n = maxLines; !bent {
				n = lines([8]float64{at[0], at[1], s.p[0], s.p[1], s.p[2], s.p[3], s.p[4], s.p[5]})
			}
			to(s.p[0], s.p[1])
			to(s.p[2], s.p[3])
			to(s.p[4], s.p[5])
		case lineTo:
			to(s.p[0], s.p[1])
		}
		o.lines += n
		for i := range way {
			o.cross += int(min(way[i], float64(n)*size[i]))
		}
	}
	return o
}

// stroked is the work for the outline drawn with a pen: two sides, and joins
// and caps, of which round ones are arcs.
func (o outlineWork) stroked(p pen, reach float64, canvas image.Rectangle) outlineWork {
	around := float64(2 * (canvas.Dx() + canvas.Dy()))
	if 8*reach < around { // it may be no number
		around = 8 * reach
	}
	joins := 8
	if p.join == joinRound || p.cap == capRound {
		joins = 600
	}
	return outlineWork{lines: o.lines * joins, cross: 2*o.cross + o.lines*int(around)}
}
