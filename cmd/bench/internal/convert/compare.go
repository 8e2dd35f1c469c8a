package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// rival compares the program with guacenc, Guacamole's own converter, followed by
// ffmpeg.
type rival struct {
	*measurement
	guacenc string
	rate    int // bits per second of guacenc's MPEG-4
}

// CompareCommand returns the command `bench compare`.
func CompareCommand() *cobra.Command {
	r := &rival{measurement: &measurement{}}
	cmd := &cobra.Command{
		Use:   "compare --guacenc PATH RECORDING...",
		Short: "Compare the program with guacenc and ffmpeg, in one run",
		Long: `Compare the program with guacenc and ffmpeg, in one run. The table shows CPU time
in units, bytes, and SSIM: the similarity of both videos to the pictures that the
renderer draws. They are compared at times at which nothing has changed for at
least a second. guacenc writes MPEG-4, which browsers do not play. ffmpeg converts
it to H.264 with its default settings.

guacenc's bit rate decides the quality of its pictures. At its default of
2 Mbit/s, x264 encodes guacenc's artefacts. At 20 Mbit/s, guacenc's pictures are
about as good as ours. guacenc is part of guacamole-server, and reads only
recordings that consist of one file.`,
		Example: `  make build && go run ./cmd/bench compare --guacenc /usr/bin/guacenc session.replay.gz
  go run ./cmd/bench compare --guacenc /usr/bin/guacenc --rate 2000000 session.replay.gz`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, recordings []string) error { return r.run(c.Context(), recordings) },
	}
	f := cmd.Flags()
	f.StringVar(&r.binary, "binary", "bin/jumpserver-video", "the program to measure")
	f.StringVar(&r.ffmpeg, "ffmpeg", "", "the ffmpeg that the program uses, such as that of the packages")
	f.StringVar(&r.guacenc, "guacenc", "guacenc", "the guacenc to compare with")
	f.IntVar(&r.rate, "rate", 20_000_000, "guacenc's bits per second")
	f.IntVar(&r.runs, "runs", 3, "conversions of each recording; medians are printed")
	return cmd
}

func (r *rival) run(ctx context.Context, recordings []string) error {
	var err error
	if r.tool, err = video.Find(ctx, ""); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "recording\tguacenc U\twith H.264 U\tMB\tSSIM\tours U\tMB\tSSIM\tCPU ratio\tbytes ratio\t")
	for _, path := range recordings {
		row, err := r.compare(ctx, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintln(table, row)
	}
	return table.Flush()
}

// compare measures one recording and returns its row of the table.
func (r *rival) compare(ctx context.Context, path string) (string, error) {
	plan, err := planOf(ctx, path)
	if err != nil {
		return "", err
	}
	dump := filepath.Join(r.work, "dump")
	if err := unpack(plan.Recording.Parts[0], dump); err != nil {
		return "", err
	}
	width, height := plan.Size()
	var first, both, ours []float64
	for range r.runs { // each run measures all of them, so that a busy minute affects all
		unit, err := r.unit(ctx)
		if err != nil {
			return "", err
		}
		a, err := cpuOf(ctx, r.guacenc, "-f", "-s", fmt.Sprintf("%dx%d", width, height), "-r", fmt.Sprint(r.rate), dump)
		if err != nil {
			return "", err
		}
		b, err := cpuOf(ctx, r.tool.Path, "-nostdin", "-loglevel", "error", "-y", "-i", dump+".m4v", "-c:v", "libx264", "-movflags", "+faststart", dump+".mp4")
		if err != nil {
			return "", err
		}
		c, err := r.convert(ctx, path, false)
		if err != nil {
			return "", err
		}
		first, both, ours = append(first, a/unit), append(both, (a+b)/unit), append(ours, c.CPU/unit)
	}
	stills := &stills{}
	if err := plan.Play(ctx, 15, stills); err != nil {
		return "", err
	}
	theirs, err := r.similarity(ctx, dump+".mp4", stills.kept, width, height)
	if err != nil {
		return "", err
	}
	mine, err := r.similarity(ctx, r.mp4(path), stills.kept, width, height)
	if err != nil {
		return "", err
	}
	theirSize, err1 := os.Stat(dump + ".mp4")
	ourSize, err2 := os.Stat(r.mp4(path))
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	x, y := float64(theirSize.Size())/1e6, float64(ourSize.Size())/1e6
	return fmt.Sprintf("%s\t%.2f\t%.2f\t%.2f\t%.4f\t%.2f\t%.2f\t%.4f\t%.1f×\t%.1f×\t", name(path), median(first), median(both), x, theirs,
		median(ours), y, mine, median(both)/median(ours), x/y), nil
}

// planOf returns the plan of a recording. It fails if the recording has more than
// one part.
func planOf(ctx context.Context, path string) (*render.Plan, error) {
	rec, err := recording.OpenNamed(path)
	if err != nil {
		return nil, err
	}
	if len(rec.Parts) != 1 {
		return nil, errors.New("guacenc reads recordings of one file only")
	}
	return render.Scan(ctx, rec, render.ScanOptions{})
}

// unpack writes a part uncompressed to a file, as guacenc needs it.
func unpack(part recording.Part, to string) error {
	in, err := part.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// cpuOf runs a program and returns its CPU seconds. The error contains the beginning
// of its output.
func cpuOf(ctx context.Context, program string, args ...string) (float64, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w: %.500s", program, err, out)
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// still is the luma of a picture, and a time in the video. In stills.kept, it is the
// middle of the time for which the picture is shown; in stills.last, the beginning.
type still struct {
	at   time.Duration
	luma []byte
}

// stills keeps pictures that are shown for at least two seconds. In the middle of
// that time, a video of any frame rate shows the picture.
type stills struct {
	kept []still
	last still
}

const (
	stayed    = 2 * time.Second
	maxStills = 40
)

func (s *stills) Audio(guac.AudioChunk) error { return nil }

func (s *stills) Frame(f guac.Frame) error {
	if s.last.luma != nil && f.Time-s.last.at >= stayed && len(s.kept) < maxStills {
		s.kept = append(s.kept, still{(s.last.at + f.Time) / 2, s.last.luma})
	}
	size := f.Image.Rect.Size()
	luma := make([]byte, size.X*size.Y)
	video.Luma(luma, f.Image)
	s.last = still{f.Time, luma}
	return nil
}

// similarity returns the mean SSIM of a video, compared with the stills at their
// times.
func (r *rival) similarity(ctx context.Context, path string, all []still, width, height int) (float64, error) {
	if len(all) == 0 {
		return 0, errors.New("no picture is shown for two seconds, so nothing can be compared")
	}
	// Each video is converted to a constant frame rate. A seek would not find a
	// picture whose display began before the requested time.
	const rate = 25
	var moments []string
	for _, s := range all {
		moments = append(moments, fmt.Sprintf("eq(n\\,%d)", int(s.at.Seconds()*rate)))
	}
	cmd := exec.CommandContext(ctx, r.tool.Path, "-v", "error", "-nostdin", "-i", path, "-map", "0:v:0",
		"-vf", fmt.Sprintf("fps=%d:start_time=0,select=%s,extractplanes=y", rate, strings.Join(moments, "+")),
		"-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1")
	got, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	if len(got) != len(all)*width*height {
		return 0, fmt.Errorf("%d bytes instead of %d pictures of %d×%d", len(got), len(all), width, height)
	}
	sum := 0.0
	for i, s := range all {
		sum += ssim(s.luma, got[i*width*height:][:width*height], width, height)
	}
	return sum / float64(len(all)), nil
}
