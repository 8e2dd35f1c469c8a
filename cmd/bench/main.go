// Command bench measures conversions and prints a table: what a recording
// costs in CPU, time and memory, what becomes of it in bytes, and how good the
// pictures are.
//
//	bench -binary bin/jumpserver-video [-runs 3] [-ocr=false] RECORDING...
//
// CPU is told in units, so that figures of different machines compare: one
// unit is what ffmpeg needs to encode 250 frames of its own 1080p test
// picture with x264's preset medium on one thread, measured again before each
// recording.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"

	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

type bench struct {
	binary string
	runs   int
	ocr    bool
	tool   *video.Tool
	work   string // a folder for videos
}

func main() {
	var b bench
	flag.StringVar(&b.binary, "binary", "bin/jumpserver-video", "the program to measure")
	flag.IntVar(&b.runs, "runs", 3, "conversions of each recording; medians are printed")
	flag.BoolVar(&b.ocr, "ocr", true, "compare what tesseract reads in decoded and in lossless frames")
	var m film
	flag.StringVar(&m.path, "film", "", "write a recording of a film to this .replay.gz and measure nothing")
	flag.StringVar(&m.from, "from", "", "the video that the film shows (default: a computed one)")
	flag.IntVar(&m.seconds, "seconds", 121, "how long that film is")
	flag.Float64Var(&m.rate, "rate", 25, "pictures a second of the film")
	flag.IntVar(&m.quality, "quality", 45, "of the film's WebP pictures, 0 to 100")
	flag.IntVar(&m.grain, "grain", 0, "strength of the noise that is laid over the film, 0 to 100")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := b.run(ctx, m, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context, m film, recordings []string) error {
	var err error
	if b.tool, err = video.Find(ctx, ""); err != nil {
		return err
	}
	if m.path != "" {
		return m.write(ctx, b.tool.Path)
	}
	if b.work, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	if b.ocr && !hasTesseract() {
		fmt.Println("tesseract is not installed: no OCR column (apt-get install tesseract-ocr)")
		b.ocr = false
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "recording\tlength s\tin MB\tunits\tCPU s\tread\tdecode\tdraw\tconvert\tfeed\tencode\tverify\twall s\tgain\t× real time\tpeak MB\tout MB\tSSIM mean\tworst\tOCR %\t")
	for _, path := range recordings {
		row, err := b.recording(ctx, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintln(table, row)
	}
	return table.Flush()
}

// recording measures one and makes its row of the table.
func (b *bench) recording(ctx context.Context, path string) (string, error) {
	var cost []converted
	var units []float64
	for range b.runs {
		unit, err := b.unit(ctx)
		if err != nil {
			return "", err
		}
		c, err := b.convert(ctx, path, false)
		if err != nil {
			return "", err
		}
		cost, units = append(cost, c), append(units, c.CPU/unit)
	}
	watched, err := b.convert(ctx, path, true)
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
	s, err := b.stages(ctx, path)
	if err != nil {
		return "", err
	}
	q, err := b.quality(ctx, path)
	if err != nil {
		return "", err
	}
	wall, cpu := of(func(c converted) float64 { return c.Wall }), of(func(c converted) float64 { return c.CPU })
	length := float64(cost[0].Duration) / 1000
	words := "–"
	if q.words > 0 {
		words = fmt.Sprintf("%.1f", 100*float64(q.found)/float64(q.words))
	}
	return fmt.Sprintf("%s\t%.0f\t%.1f\t%.2f\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.2f\t%.0f\t%.0f\t%.2f\t%.4f\t%.4f\t%s\t",
		name(path), length, float64(cost[0].BytesIn)/1e6, median(units), cpu, s.read, s.decode, s.draw, s.convert, s.feed, s.encode, s.verify,
		wall, of(func(c converted) float64 { return c.CPU / c.Wall }), length/wall, watched.peak/1e6,
		float64(cost[0].BytesOut)/1e6, q.mean, q.worst, words), nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
