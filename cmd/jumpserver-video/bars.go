package main

import (
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
)

// bars shows the progress of conversions on a terminal, and nothing on other outputs. It
// writes to the terminal directly, without the escaping of package terminal.
type bars struct {
	progress *mpb.Progress
	lang     i18n.Lang
}

func newBars(w io.Writer, show bool, lang i18n.Lang) *bars {
	options := []mpb.ContainerOption{mpb.WithOutput(nil)}
	if show {
		options = []mpb.ContainerOption{mpb.WithOutput(terminal.Raw(w)), mpb.WithWidth(40), mpb.WithAutoRefresh(), mpb.WithRefreshRate(150 * time.Millisecond)}
	}
	return &bars{mpb.New(options...), lang}
}

// Wait waits until the last state is drawn.
func (b *bars) Wait() { b.progress.Wait() }

// bar is one recording's progress: percent, speed in × real time, ETA.
type bar struct {
	bar     *mpb.Bar
	lang    i18n.Lang
	step    atomic.Value // string, a key of the catalogue
	started atomic.Int64 // when rendering began, in ns
	done    atomic.Int64 // rendered time of the recording, in ns
}

const barTotal = 1000

func (b *bars) add(name string) *bar {
	one := &bar{lang: b.lang}
	one.step.Store("cli.step_reading")
	one.bar = b.progress.AddBar(barTotal,
		mpb.PrependDecorators(decor.Name(shorten(terminal.Line(name), 32), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Any(one.state)))
	return one
}

// state returns the text after the bar. It must not call methods of the bar, because the
// bar calls it while it is drawn.
func (b *bar) state(s decor.Statistics) string {
	step, _ := b.step.Load().(string)
	if step != "cli.step_rendering" {
		return "  " + b.lang.T(step)
	}
	elapsed := time.Duration(time.Now().UnixNano() - b.started.Load())
	done := time.Duration(b.done.Load())
	if elapsed < 300*time.Millisecond || done <= 0 {
		return "  " + b.lang.T(step)
	}
	speed := float64(done) / float64(elapsed)
	current := max(s.Current, 1)
	left := time.Duration(float64(elapsed) * float64(barTotal-current) / float64(current))
	return "  " + b.lang.T("cli.step_left", "speed", fixed(b.lang, speed), "left", span(b.lang, left, time.Second))
}

func (b *bar) scanned(done, total int64) {
	if done == total {
		b.step.Store("cli.step_rendering")
		b.started.Store(time.Now().UnixNano())
	}
}

func (b *bar) rendered(p render.Progress) {
	b.done.Store(int64(p.Done))
	// The last step is left for the verification.
	b.bar.SetCurrent(min(int64(barTotal*p.Fraction()), barTotal-1))
}

func (b *bar) verifying() { b.step.Store("cli.step_verifying") }

func (b *bar) end(err error) {
	if err != nil && exitCode(err) != exitCut {
		step := "cli.step_failed"
		if exitCode(err) == exitInterrupted {
			step = "cli.step_interrupted"
		}
		b.step.Store(step)
		b.bar.Abort(false)
		return
	}
	b.step.Store("cli.step_done")
	b.bar.SetCurrent(barTotal)
}

// shorten cuts off the end of a long name.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// report prints the result of an input.
func (c *convert) report(r converted) error {
	if c.json {
		return c.tell(r)
	}
	c.print.Lock()
	defer c.print.Unlock()
	for _, w := range r.Warnings {
		fmt.Fprintln(c.app.err, c.app.lang.T("cli.convert_warning", "path", terminal.Line(r.Input), "warning", terminal.Line(w)))
	}
	to, out := c.app.out, terminal.Line(r.Output)
	if r.Output == standard { // the MP4 is written there
		to, out = c.app.err, c.app.lang.T("cli.convert_standard_output")
	}
	length, without := time.Duration(r.Duration)*time.Millisecond, ""
	if r.LeftOut > 0 {
		without = c.app.lang.T("cli.convert_idling", "span", c.app.span(time.Duration(r.LeftOut)*time.Millisecond))
	}
	_, err := fmt.Fprintln(to, c.app.lang.T("cli.convert_done", "path", out, "width", strconv.Itoa(r.Width), "height", strconv.Itoa(r.Height), "length", c.app.span(length),
		"without", without, "n", r.Frames, "frames", strconv.Itoa(r.Frames), "before", c.app.megabytes(r.BytesIn), "after", c.app.megabytes(r.BytesOut),
		"saved", c.app.saved(r.BytesIn, r.BytesOut), "speed", c.app.fixed(length.Seconds()/max(r.Wall, 0.001))))
	return err
}
