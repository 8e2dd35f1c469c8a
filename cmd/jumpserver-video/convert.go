package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// convert has the flags of the command, and what all its inputs share.
type convert struct {
	app     *app
	output  string
	json    bool
	force   bool
	jobs    int
	dryRun  bool
	ffmpeg  string
	clock   bool
	idle    time.Duration
	maxSize config.Size

	tool   *video.Tool
	config config.Config
	bars   *bars
	print  sync.Mutex // guards writes to the app's outputs
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
  jumpserver-video convert replay/ -o videos/ --dry-run    lists what would be converted
  zcat x.gz | jumpserver-video convert - -o - > x.mp4      from a pipe, to a pipe
  jumpserver-video convert s.guac --idle-limit 5s --clock  idle times shortened; the time of day as subtitles

IN is a .replay.gz, a .guac or bare Guacamole dump, a folder with a .replay.json
and its parts, that .replay.json, the .tar of JumpServer's download (compressed
or not), a folder that Lion left behind, a pipe, or - for standard input.
Any other folder means all recordings in it and below, which are recognized by
their content. Those that already have an MP4 are skipped.

The MP4 is written to OUT only after it has been verified. Input from a pipe,
output to a pipe, and compressed tars need temporary space in TMPDIR.
VIDEO_FPS, VIDEO_CRF, VIDEO_CODEC, VIDEO_MAX_SIZE and VIDEO_AUDIO have the same
effect as for the agent.

` + exitCodeHelp,
		Args: named(cobra.MinimumNArgs(1), "at least one recording"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVarP(&c.output, "output", "o", "", "file to write, a folder, or - for standard output (default: beside the input)")
	f.BoolVar(&c.json, "json", false, "print one JSON object per input, also for failures")
	f.BoolVarP(&c.force, "force", "f", false, "replace a file that exists")
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "only print what would be converted to what")
	f.IntVarP(&c.jobs, "jobs", "j", 1, "recordings converted at once")
	f.Var(&c.maxSize, "max-size", "largest video, in either orientation; larger screens are scaled down (default: VIDEO_MAX_SIZE)")
	f.StringVar(&c.ffmpeg, "ffmpeg", "", "the ffmpeg to use (default: FFMPEG, the one in this\nprogram's package, or the first in PATH)")
	f.BoolVar(&c.clock, "clock", false, "add the time of day, user and asset as subtitles, which players show on request")
	f.DurationVar(&c.idle, "idle-limit", 0, "shorten times without changes to this, such as 5s (default: keep them)")
	return cmd
}

func (c *convert) run(ctx context.Context, args []string) error {
	var err error
	if c.config, err = c.app.config(); err != nil {
		return err
	}
	if c.maxSize == (config.Size{}) {
		c.maxSize = c.config.VideoMaxSize
	}
	switch {
	case c.jobs < 1:
		return usage(said("cli.convert_jobs"))
	case c.idle != 0 && c.idle < time.Second:
		return usage(said("cli.convert_idle"))
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
		fmt.Fprintln(c.app.err, c.app.lang.T("cli.convert_nothing"))
		return nil
	}
	if c.dryRun {
		return c.each(ctx, inputs, func(i int) error { return c.preview(ctx, inputs[i], outputs[i]) })
	}
	if err := c.makeFolders(outputs); err != nil {
		return err
	}
	if c.tool, err = video.FindFor(ctx, cmp.Or(c.ffmpeg, c.config.FFmpeg), string(c.config.VideoCodec)); err != nil {
		return err
	}
	c.bars = newBars(c.app.err, logging.Terminal(c.app.err) && !c.json, c.app.lang)
	defer c.bars.Wait()

	return c.each(ctx, inputs, func(i int) error { return c.one(ctx, inputs[i], outputs[i]) })
}

// each calls do for all inputs, at most -j at once, and sums up the errors.
func (c *convert) each(ctx context.Context, inputs []input, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(c.jobs)
	errs := make([]error, len(inputs))
	for i := range inputs {
		group.Go(func() error {
			if errs[i] = context.Cause(ctx); errs[i] == nil {
				errs[i] = do(i)
			}
			if errs[i] != nil && exitCode(errs[i]) != exitCut && c.json {
				_ = c.tell(notConverted{inputs[i].path, message(errs[i]), exitCode(errs[i])})
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

// sum reports each failure and returns one error for all of them.
func (c *convert) sum(inputs []input, errs []error) error {
	all := &severalError{of: len(errs)}
	for i, err := range errs {
		if err == nil {
			continue
		}
		code := exitCode(err)
		if code != exitInterrupted && code != exitCut {
			c.app.complain(about(terminal.Line(inputs[i].path), err))
		}
		all.add(code)
	}
	if all.codes == nil {
		return nil
	}
	return all
}

// about adds the name of the file to an error, unless its text begins with it.
func about(path string, err error) error {
	if strings.HasPrefix(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// converted is the output of --json for a converted input. Scripts depend on it.
type converted struct {
	Input    string   `json:"input"`
	Output   string   `json:"output"`
	Session  string   `json:"session"`
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	Frames   int      `json:"frames"`
	Duration int64    `json:"duration_ms"`
	LeftOut  int64    `json:"idle_left_out_ms,omitempty"` // by --idle-limit
	BytesIn  int64    `json:"bytes_in"`
	BytesOut int64    `json:"bytes_out"`
	CPU      float64  `json:"cpu_seconds"` // of this process and its children while it ran
	Wall     float64  `json:"wall_seconds"`
	Warnings []string `json:"warnings"`
	// Incomplete are the warnings that mean that the recording may contain more than
	// the video shows. Cut means that the recording is cut or damaged.
	Incomplete []string `json:"incomplete,omitempty"`
	Cut        bool     `json:"cut,omitempty"`
}

// notConverted is the output of --json for an input that failed.
type notConverted struct {
	Input string `json:"input"`
	Error string `json:"error"`
	Code  int    `json:"exit_code"` // as for a single input
}

// tell prints one object of --json.
func (c *convert) tell(v any) error {
	c.print.Lock()
	defer c.print.Unlock()
	return json.NewEncoder(c.app.out).Encode(v)
}

// one converts in to out. The MP4 is written to a hidden folder beside out, and moved to
// out only after it has been verified.
func (c *convert) one(ctx context.Context, in input, out string) (err error) {
	start, cpu := time.Now(), cpuSeconds()
	if err := c.mayWrite(in, out); err != nil {
		return err
	}
	rec, err := in.open(ctx)
	if err != nil {
		return err
	}
	bar := c.bars.add(filepath.Base(out))
	defer func() { bar.end(err) }()
	plan, err := render.Scan(ctx, rec, render.ScanOptions{Progress: bar.scanned})
	if err != nil {
		return about(in.path, err)
	}
	work, err := workFolder(out)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	temp := filepath.Join(work, "video.mp4")
	made, err := plan.Encode(ctx, temp, c.options(), bar.rendered)
	if errors.Is(err, guac.ErrNothingDrawn) && plan.Draws() == 0 {
		err = fmt.Errorf("%w: it contains only mouse positions, keys and times", err)
	}
	if err != nil {
		return about(in.path, err)
	}
	bar.verifying()
	if err := made.Verify(ctx); err != nil {
		return err
	}
	if err := c.publish(ctx, temp, out); err != nil {
		return err
	}
	result := converted{
		Input: in.path, Output: out, Session: rec.Session, Width: made.Width, Height: made.Height, Frames: made.Frames,
		Duration: made.Duration.Milliseconds(), LeftOut: made.LeftOut.Milliseconds(), BytesIn: rec.Size, BytesOut: made.Bytes,
		CPU: cpuSeconds() - cpu, Wall: time.Since(start).Seconds(), Warnings: append([]string{}, made.Warnings...),
		Incomplete: made.Missing, Cut: len(made.Cut) > 0,
	}
	if err := c.report(result); err != nil || !result.Cut {
		return err
	}
	return &cutError{in.path}
}

func (c *convert) options() render.Options {
	return render.Options{
		Tool: c.tool, FPS: int(c.config.VideoFPS), CRF: int(c.config.VideoCRF), Codec: string(c.config.VideoCodec),
		Audio: bool(c.config.VideoAudio), MaxSize: image.Point(c.maxSize), Agent: userAgent(), Clock: c.clock, IdleLimit: c.idle.Truncate(time.Millisecond),
	}
}

// cpuSeconds returns the CPU time of this process and of its ended children.
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
