package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// convert holds the flags of `convert` and what its inputs share.
type convert struct {
	app    *app
	output string
	json   bool
	force  bool
	jobs   int
	dryRun bool
	ffmpeg string

	tool   *video.Tool
	config config.Config
	bars   *bars
	print  sync.Mutex // serialises what is written to the app's outputs
}

func (a *app) convertCommand() *cobra.Command {
	c := &convert{app: a}
	cmd := &cobra.Command{
		Use:   "convert IN... [-o OUT]",
		Short: "Turn recordings into MP4s; needs no JumpServer",
		Long: `Turn recordings into MP4s; needs no JumpServer.

  jumpserver-video convert 0b9d….replay.gz                 writes 0b9d….replay.mp4 beside it
  jumpserver-video convert 0b9d…/0b9d….replay.json -o s.mp4  a recording in parts
  jumpserver-video convert session.tar -o videos/          as downloaded from JumpServer
  jumpserver-video convert *.replay.gz -j 2 --json         several at once, for scripts
  jumpserver-video convert replay/ -o videos/ --dry-run    what a whole folder would become

IN is a .replay.gz, a .guac or bare Guacamole dump, a folder with a .replay.json
and its parts, that .replay.json, or the offline .tar of JumpServer's download.
Any other folder stands for the .replay.gz, .guac and recordings in parts in it
and below; those that have their MP4 already are left out.

VIDEO_FPS, VIDEO_CRF, VIDEO_CODEC and VIDEO_AUDIO are heeded as by the agent.

` + exitCodeHelp,
		Args: named(cobra.MinimumNArgs(1), "at least one recording"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVarP(&c.output, "output", "o", "", "file to write, or a folder (default: beside the input)")
	f.BoolVar(&c.json, "json", false, "print one JSON object per input, of failures too")
	f.BoolVarP(&c.force, "force", "f", false, "replace a file that exists")
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "only tell what would be converted to what")
	f.IntVarP(&c.jobs, "jobs", "j", 1, "recordings converted at once")
	f.StringVar(&c.ffmpeg, "ffmpeg", "", "the ffmpeg to use (default: the first in PATH)")
	return cmd
}

func (c *convert) run(ctx context.Context, args []string) error {
	var err error
	if c.config, err = c.app.config(); err != nil {
		return err
	}
	if c.jobs < 1 {
		return usage(errors.New("-j must be 1 or more"))
	}
	inputs, err := expand(args)
	if err != nil {
		return err
	}
	outputs, err := c.outputs(inputs)
	if err != nil {
		return err
	}
	inputs, outputs = c.leaveOut(inputs, outputs)
	if len(inputs) == 0 {
		fmt.Fprintln(c.app.err, "nothing to convert")
		return nil
	}
	if c.dryRun {
		return c.each(inputs, func(i int) error { return c.preview(inputs[i].path, outputs[i]) })
	}
	for _, out := range outputs {
		if c.output == "" || filepath.Clean(c.output) == out {
			continue // beside the input, or a file
		}
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return fmt.Errorf("output folder: %w", err)
		}
	}
	if c.tool, err = video.Find(ctx, c.ffmpeg); err != nil {
		return err
	}
	c.bars = newBars(c.app.err, logging.Terminal(c.app.err) && !c.json)
	defer c.bars.Wait()

	return c.each(inputs, func(i int) error { return c.one(ctx, inputs[i].path, outputs[i]) })
}

// each does something for all inputs, -j at once, and sums up.
func (c *convert) each(inputs []input, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(c.jobs)
	errs := make([]error, len(inputs))
	for i := range inputs {
		group.Go(func() error {
			if errs[i] = do(i); errs[i] != nil && c.json {
				_ = c.tell(notConverted{inputs[i].path, errs[i].Error(), exitCode(errs[i])})
			}
			return nil
		})
	}
	_ = group.Wait()
	if len(inputs) == 1 {
		return errs[0]
	}
	return c.sum(inputs, errs)
}

// sum reports each failure and makes one error of them all.
func (c *convert) sum(inputs []input, errs []error) error {
	all := &severalError{of: len(errs)}
	for i, err := range errs {
		if err == nil {
			continue
		}
		complain(c.app.err, fmt.Errorf("%s: %w", terminal.Line(inputs[i].path), err))
		code := exitCode(err)
		if all.failed++; all.failed == 1 {
			all.first = code
		}
		all.differ = all.differ || code != all.first
	}
	if all.failed == 0 {
		return nil
	}
	return all
}

// converted is what --json prints for each input that was converted. Scripts depend on it.
type converted struct {
	Input    string   `json:"input"`
	Output   string   `json:"output"`
	Session  string   `json:"session"`
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	Frames   int      `json:"frames"`
	Duration int64    `json:"duration_ms"`
	BytesIn  int64    `json:"bytes_in"`
	BytesOut int64    `json:"bytes_out"`
	CPU      float64  `json:"cpu_seconds"` // of this process and its children while it ran
	Wall     float64  `json:"wall_seconds"`
	Warnings []string `json:"warnings"`
}

// notConverted is what --json prints for an input that failed.
type notConverted struct {
	Input string `json:"input"`
	Error string `json:"error"`
	Code  int    `json:"exit_code"` // as if it had been the only input
}

// tell prints one object of --json.
func (c *convert) tell(v any) error {
	c.print.Lock()
	defer c.print.Unlock()
	return json.NewEncoder(c.app.out).Encode(v)
}

// one converts in to out: to a hidden file beside it, which takes the name
// only after it has been verified.
func (c *convert) one(ctx context.Context, in, out string) (err error) {
	start, cpu := time.Now(), cpuSeconds()
	if _, err := os.Lstat(out); err == nil && !c.force {
		return fmt.Errorf("%s exists; use --force to replace it: %w", out, errFiles)
	}
	rec, err := recording.OpenNamed(in)
	if err != nil {
		return err
	}
	bar := c.bars.add(filepath.Base(out))
	defer func() { bar.end(err) }()
	plan, err := render.Scan(ctx, rec, render.ScanOptions{Progress: bar.scanned})
	if err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".part.mp4")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer os.Remove(temp) // gone after the rename
	made, err := plan.Encode(ctx, temp, c.options(), bar.rendered)
	if err != nil {
		return err
	}
	bar.verifying()
	if err := made.Verify(ctx); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o644); err != nil {
		return err
	}
	// Without --force, a file that has appeared there meanwhile stays.
	if err := durable.Publish(temp, out, c.force); err != nil {
		return err
	}
	return c.report(converted{
		Input: in, Output: out, Session: rec.Session, Width: made.Width, Height: made.Height, Frames: made.Frames,
		Duration: made.Duration.Milliseconds(), BytesIn: rec.Size, BytesOut: made.Bytes,
		CPU: cpuSeconds() - cpu, Wall: time.Since(start).Seconds(), Warnings: append([]string{}, made.Warnings...),
	})
}

func (c *convert) options() render.Options {
	return render.Options{
		Tool: c.tool, FPS: int(c.config.VideoFPS), CRF: int(c.config.VideoCRF), Codec: string(c.config.VideoCodec),
		Audio: bool(c.config.VideoAudio), Agent: userAgent(),
	}
}

// cpuSeconds is the CPU time of this process and of its ended children.
func cpuSeconds() float64 {
	var sum float64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
		}
	}
	return sum
}
