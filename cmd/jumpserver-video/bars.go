package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
)

// bars shows the progress of conversions on a terminal; elsewhere it shows
// nothing. It draws past package terminal.
type bars struct{ progress *mpb.Progress }

func newBars(w io.Writer, show bool) *bars {
	options := []mpb.ContainerOption{mpb.WithOutput(nil)}
	if show {
		options = []mpb.ContainerOption{mpb.WithOutput(terminal.Raw(w)), mpb.WithWidth(40), mpb.WithAutoRefresh(), mpb.WithRefreshRate(150 * time.Millisecond)}
	}
	return &bars{mpb.New(options...)}
}

// Wait draws the last state.
func (b *bars) Wait() { b.progress.Wait() }

// bar is one recording's progress: percent, speed in × real time, ETA.
type bar struct {
	bar     *mpb.Bar
	step    atomic.Value // string
	started atomic.Int64 // when drawing began, ns
	done    atomic.Int64 // ns of the recording drawn
}

const barTotal = 1000

func (b *bars) add(name string) *bar {
	one := &bar{}
	one.step.Store("reading")
	one.bar = b.progress.AddBar(barTotal,
		mpb.PrependDecorators(decor.Name(shorten(terminal.Line(name), 32), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Any(one.state)))
	return one
}

// state is the text behind the bar. It must not call the bar's methods: it
// runs while the bar is being drawn.
func (b *bar) state(s decor.Statistics) string {
	step, _ := b.step.Load().(string)
	if step != "rendering" {
		return "  " + step
	}
	elapsed := time.Duration(time.Now().UnixNano() - b.started.Load())
	done := time.Duration(b.done.Load())
	if elapsed < 300*time.Millisecond || done <= 0 {
		return "  " + step
	}
	speed := float64(done) / float64(elapsed)
	current := max(s.Current, 1)
	left := time.Duration(float64(elapsed) * float64(barTotal-current) / float64(current))
	return fmt.Sprintf("  %.1f× real time, %s left", speed, left.Round(time.Second))
}

func (b *bar) scanned(done, total int64) {
	if done == total {
		b.step.Store("rendering")
		b.started.Store(time.Now().UnixNano())
	}
}

func (b *bar) rendered(p render.Progress) {
	b.done.Store(int64(p.Done))
	// The last step is kept for verifying, which takes a moment.
	b.bar.SetCurrent(min(int64(barTotal*p.Fraction()), barTotal-1))
}

func (b *bar) verifying() { b.step.Store("verifying") }

func (b *bar) end(err error) {
	if err != nil {
		b.step.Store("failed")
		b.bar.Abort(false)
		return
	}
	b.step.Store("done")
	b.bar.SetCurrent(barTotal)
}

// shorten keeps the beginning of a long name.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// report prints what became of an input.
func (c *convert) report(r converted) error {
	if c.json {
		return c.tell(r)
	}
	c.print.Lock()
	defer c.print.Unlock()
	for _, w := range r.Warnings {
		fmt.Fprintf(c.app.err, "warning: %s: %s\n", terminal.Line(r.Input), terminal.Line(w))
	}
	length := time.Duration(r.Duration) * time.Millisecond
	_, err := fmt.Fprintf(c.app.out, "%s: %d×%d, %s, %d frames, %s → %s (%s), %.1f× real time\n", terminal.Line(r.Output), r.Width, r.Height,
		length.Round(100*time.Millisecond), r.Frames, megabytes(r.BytesIn), megabytes(r.BytesOut), saved(r.BytesIn, r.BytesOut),
		length.Seconds()/max(r.Wall, 0.001))
	return err
}
