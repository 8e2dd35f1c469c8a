// Package convert measures conversions: the CPU time, wall time and memory that a
// recording needs, the size of the video in bytes, and the quality of its pictures.
//
// CPU time is given in units, so that figures from different machines can be
// compared. One unit is the CPU time that ffmpeg needs to encode 250 frames of its
// own 1080p test picture with x264's preset medium on one thread. The unit is
// measured again before each conversion.
package convert

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// measurement holds the options of a run and what it works with.
type measurement struct {
	binary string
	ffmpeg string // that the program uses; "" = the one that it finds
	runs   int
	ocr    bool
	tool   *video.Tool // the system's ffmpeg, for the unit and for decoding videos
	work   string      // folder of temporary files
}

// Command returns the command `bench convert`.
func Command() *cobra.Command {
	m := &measurement{}
	cmd := &cobra.Command{
		Use:   "convert RECORDING...",
		Short: "Measure the cost of conversions, and the quality of the videos",
		Long: `Measure the cost of conversions, and the quality of the videos. The table shows
CPU time, wall time, memory and size for each recording, and the similarity of its
video to the pictures that the renderer draws. CPU time is given in units. One unit
is the CPU time that ffmpeg needs to encode 250 frames of its 1080p test picture
with x264's preset medium on one thread.

docs/PERFORMANCE.md explains the columns.`,
		Example: `  go run ./cmd/bench convert testdata/recordings/tiny/v3/*/*.replay.gz
  go run ./cmd/bench convert --runs 1 --ocr=false session.replay.gz`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, recordings []string) error { return m.run(c.Context(), recordings) },
	}
	f := cmd.Flags()
	f.StringVar(&m.binary, "binary", "bin/jumpserver-video", "the program to measure")
	f.StringVar(&m.ffmpeg, "ffmpeg", "", "the ffmpeg that the program uses, such as that of the packages")
	f.IntVar(&m.runs, "runs", 3, "conversions of each recording; medians are printed")
	f.BoolVar(&m.ocr, "ocr", true, "compare the words that tesseract reads in decoded and in lossless frames")
	return cmd
}

func (m *measurement) run(ctx context.Context, recordings []string) error {
	var err error
	if m.tool, err = video.Find(ctx, ""); err != nil {
		return err
	}
	if m.work, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(m.work)
	if m.ocr && !hasTesseract() {
		fmt.Println("tesseract is not installed: no OCR column (apt-get install tesseract-ocr)")
		m.ocr = false
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "recording\tlength s\tin MB\tunits\tCPU s\tread\tdecode\tdraw\tconvert\tfeed\tencode\tverify\twall s\tgain\t× real time\tpeak MB\tout MB\tSSIM mean\tworst\tghost\tOCR %\t")
	for _, path := range recordings {
		row, err := m.recording(ctx, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintln(table, row)
	}
	return table.Flush()
}

// recording measures one recording and returns its row of the table.
func (m *measurement) recording(ctx context.Context, path string) (string, error) {
	var cost []converted
	var units []float64
	for range m.runs {
		unit, err := m.unit(ctx)
		if err != nil {
			return "", err
		}
		c, err := m.convert(ctx, path, false)
		if err != nil {
			return "", err
		}
		cost, units = append(cost, c), append(units, c.CPU/unit)
	}
	watched, err := m.convert(ctx, path, true)
	if err != nil {
		return "", err
	}
	of := func(value func(converted) float64) float64 {
		var all []float64
		for _, c := range cost {
			all = append(all, value(c))
		}
		return median(all)
	}
	s, err := m.stages(ctx, path)
	if err != nil {
		return "", err
	}
	q, err := m.quality(ctx, path)
	if err != nil {
		return "", err
	}
	wall, cpu := of(func(c converted) float64 { return c.Wall }), of(func(c converted) float64 { return c.CPU })
	length := float64(cost[0].Duration) / 1000
	words := "–"
	if q.words > 0 {
		words = fmt.Sprintf("%.1f", 100*float64(q.found)/float64(q.words))
	}
	return fmt.Sprintf("%s\t%.0f\t%.1f\t%.2f\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.2f\t%.0f\t%.0f\t%.2f\t%.4f\t%.4f\t%d\t%s\t",
		name(path), length, float64(cost[0].BytesIn)/1e6, median(units), cpu, s.read, s.decode, s.draw, s.convert, s.feed, s.encode, s.verify,
		wall, of(func(c converted) float64 { return c.CPU / c.Wall }), length/wall, watched.peak/1e6,
		float64(cost[0].BytesOut)/1e6, q.mean, q.worst, q.ghost, words), nil
}

// median returns the middle value of v, which must not be empty. Of an even number of
// values, it is the upper of the two in the middle.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
