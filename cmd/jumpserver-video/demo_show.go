//go:build !nodemo

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// screen shows the demo's sessions: redrawn in place on a terminal, one line per change on
// other outputs. It shows no untrusted text.
type screen struct {
	w     io.Writer
	live  bool
	lines int
	last  map[string]queue.State
}

func newScreen(w io.Writer, live bool) *screen {
	return &screen{w: w, live: live, last: map[string]queue.State{}}
}

func (s *screen) show(seeds []seed, views map[string]task.View) {
	if s.live {
		if s.lines > 0 {
			fmt.Fprintf(s.w, "\x1b[%dA", s.lines)
		}
		s.lines = len(seeds)
	}
	for _, one := range seeds {
		v, known := views[one.id]
		switch {
		case s.live:
			fmt.Fprintf(s.w, "\x1b[2K  %-22s %s\n", one.what, gauge(one, v, known))
		case known && v.State != s.last[one.id]:
			fmt.Fprintf(s.w, "  %-22s %s\n", one.what, v.State)
		}
		s.last[one.id] = v.State
	}
}

func (s *screen) close() { fmt.Fprintln(s.w) }

// gauge returns one session's line: a bar while it is rendered, otherwise its state.
func gauge(s seed, v task.View, known bool) string {
	if !known {
		if s.foreign {
			return "not converted"
		}
		return "…"
	}
	if v.State != queue.StateRendering {
		return string(v.State)
	}
	const width = 30
	full := int(v.Progress * width)
	return fmt.Sprintf("%s [%s%s] %3.0f %%", v.State, strings.Repeat("█", full), strings.Repeat("·", width-full), 100*v.Progress)
}

// result prints the table, and fails if a result is wrong.
func (d *demo) result(ctx context.Context, views map[string]task.View, took time.Duration) error {
	w := tabwriter.NewWriter(d.app.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RECORDING\tBEFORE\tAFTER\tSAVED\tLENGTH\tSPEED\tSTATE\tCORE NOW SERVES")
	var wrong []string
	var before, after int64
	for _, s := range d.seeds {
		v := views[s.id]
		served := "nothing"
		replay, err := d.core.Served(ctx, s.id)
		if err == nil {
			served = fmt.Sprintf("%s (%s)", filepath.Base(replay.Path), replay.Type)
		}
		row := []string{s.what, "", "", "", "", "", "skipped", served}
		if v.State != "" {
			row[1], row[6] = megabytes(v.Before), string(v.State)
		}
		if v.State == queue.StateDone {
			before, after = before+v.Before, after+v.After
			length := time.Duration(v.Duration) * time.Millisecond
			row[2], row[3] = megabytes(v.After), fmt.Sprintf("%.0f %%", v.Saved)
			row[4], row[5] = length.Round(time.Second).String(), fmt.Sprintf("%.1f×", v.Speed)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
		convertible := s.from != ""
		if convertible && (v.State != queue.StateDone || replay.Type != "mp4") || !convertible && (replay.Type == "mp4" || v.State == queue.StateDone) {
			wrong = append(wrong, fmt.Sprintf("%s (%s): %s %s", s.what, s.id, v.State, v.Error))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(d.app.out, "\n%s → %s (%s) in %s\nMP4s:      %s\noriginals: %s\nagent log: %s\n", megabytes(before), megabytes(after),
		d.app.saved(before, after), took.Round(time.Second), filepath.Join(d.media(), "replay", "*", "*.replay.mp4"),
		filepath.Join(d.media(), "replay", ".jumpserver-video-trash"), d.logFile())
	if len(wrong) > 0 {
		return fmt.Errorf("wrong results: %s", strings.Join(wrong, "; "))
	}
	return nil
}
