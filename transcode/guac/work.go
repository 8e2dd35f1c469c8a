package guac

import (
	"errors"
	"image"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTooCostly is returned by [Play] for a recording that needs far more work than
// a session of its size and length. What was drawn until then is useless.
var ErrTooCostly = errors.New("the recording asks for far more drawing than a session of its size and length does")

// The unit of work is the time of copying a pixel, about a nanosecond. The cost of
// an instruction is computed before it is executed, from the areas concerned. So
// nothing is measured per pixel, and the same recording costs the same everywhere.
// The costs are upper bounds for a slow machine, per pixel unless stated otherwise.
const (
	costOp       = 5000 // one instruction
	costLayer    = 100  // visiting one layer
	costCopy     = 1
	costOver     = 2  // source-over of mostly opaque pixels
	costBlend    = 15 // any other mask
	costTransfer = 20
	costFade     = 20
	costPaint    = 80  // painting through a coverage
	costSample   = 200 // likewise, with the colours of an image
	costLine     = 150 // one line of an outline, in one piece of the area
	costCross    = 10  // one line, per row and column of the area
	costTwo      = 1   // two pixels of a frame: unchanged ones are also decoded by verification
	costEncode   = 20  // a changed pixel of a frame
	costScale    = 10  // a pixel of the screen, in a smaller frame
	costSecond   = 3e6 // a second of sound or silence
	costDecode   = 40  // an image
	costByte     = 50  // a byte of its data
)

// The allowed work is proportional to the stored bytes, and to the claimed screen
// and length, whichever is less. Claims cost an attacker nothing. Bytes do, and
// each picture that is shown takes at least a dozen of them, for its time. Real
// recordings need at most a twentieth of it, which
// TestRealRecordingsAreFarFromTooCostly checks.
const (
	workBase     = 10e9 // for any recording
	workPerByte  = 1e6  // per stored byte
	workPerPixel = 1e4  // per pixel of its canvas and second
	workSlack    = 10 * time.Second
)

// allowing is a rule that returns how much work a recording may cost.
type allowing func(canvas image.Point, length time.Duration, stored int64) int64

// allowance is the rule in use.
func allowance(canvas image.Point, length time.Duration, stored int64) int64 {
	claimed := workPerPixel * float64(canvas.X) * float64(canvas.Y) * (length + workSlack).Seconds()
	return int64(min(workBase+min(claimed, workPerByte*float64(stored)), math.MaxInt64/(2*slowest)))
}

// slowest is how many nanoseconds a unit may take on a slow machine. On the machine
// where it was measured, a unit takes half a nanosecond.
const slowest = 4

// threadTime returns the CPU time of this thread. A caller that compares two values
// must have locked its goroutine to the thread.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // exists in every Linux
	return time.Duration(t.Nano())
}

// meter counts work. Its methods may be called from several goroutines.
type meter struct {
	done  atomic.Int64
	limit int64
}

// unlimited returns a meter for displays without limits.
func unlimited() *meter { return &meter{limit: math.MaxInt64 / 2} }

// spend counts work that is about to be done. It reports whether it is allowed.
func (m *meter) spend(work int) bool { return m.done.Add(int64(work)) <= m.limit }

// over reports whether more work was requested than is allowed.
func (m *meter) over() bool { return m.done.Load() > m.limit }

// costDraw returns the cost per pixel of [drawImage].
func costDraw(m Mask, opaque bool) int {
	switch {
	case m == MaskSrc || m == MaskOver && opaque:
		return costCopy
	case m == MaskOver:
		return costOver
	}
	return costBlend
}

// outlineWork is the work of drawing an outline.
type outlineWork struct {
	lines int // number of its lines
	cross int // rows and columns that the lines cross
}

// cost returns the cost of an outline that is rasterised in that many pieces.
func (o outlineWork) cost(pieces int) int { return o.lines*pieces*costLine + o.cross*costCross }

// outline returns the work for the inside of a path. What is outside of the canvas
// costs nothing, but there may be a line along all of it. bent means that it is
// followed under another transform, which may make curves longer.
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
		case moveTo, closePath: // open pieces are closed
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

// stroked returns the work for the stroke's outline: two sides, joins and caps;
// round ones are arcs.
func (o outlineWork) stroked(p pen, reach float64, canvas image.Rectangle) outlineWork {
	around := float64(2 * (canvas.Dx() + canvas.Dy()))
	if 8*reach < around { // it may be NaN
		around = 8 * reach
	}
	joins := 10
	if p.join == joinRound || p.cap == capRound {
		joins = 600
	}
	return outlineWork{lines: o.lines * joins, cross: 2*o.cross + o.lines*int(around)}
}
