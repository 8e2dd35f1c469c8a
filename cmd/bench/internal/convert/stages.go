package convert

import (
	"bytes"
	"context"
	"os"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/google/pprof/profile"

	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// stages are the CPU seconds of a conversion by stage. docs/PERFORMANCE.md explains
// the stages.
type stages struct {
	read, decode, draw, convert, feed float64 // in this process
	encode, verify                    float64 // in ffmpeg
}

// stages converts in this process with the CPU profiler, and returns the CPU seconds
// of each stage.
func (m *measurement) stages(ctx context.Context, path string) (stages, error) {
	var s stages
	rec, err := recording.OpenNamed(path)
	if err != nil {
		return s, err
	}
	var raw bytes.Buffer
	if err := pprof.StartCPUProfile(&raw); err != nil {
		return s, err
	}
	before := children()
	made, err := m.make(ctx, rec, path)
	if err == nil {
		err = made.Verify(ctx)
	}
	all := children() - before
	pprof.StopCPUProfile()
	if err != nil {
		return s, err
	}
	s.encode = made.CPU.Seconds()
	s.verify = all - s.encode // decoding already runs while the MP4 is muxed
	p, err := profile.Parse(&raw)
	if err != nil {
		return s, err
	}
	for _, sample := range p.Sample {
		seconds := time.Duration(sample.Value[1]).Seconds()
		*s.of(sample) += seconds
	}
	return s, nil
}

// make converts the recording in this process, with the program's default settings.
func (m *measurement) make(ctx context.Context, rec *recording.Recording, path string) (*render.Video, error) {
	plan, err := render.Scan(ctx, rec, render.ScanOptions{})
	if err != nil {
		return nil, err
	}
	tool, err := video.Find(ctx, m.ffmpeg)
	if err != nil {
		return nil, err
	}
	out := m.mp4(path) + ".again"
	os.Remove(out)
	return plan.Encode(ctx, out, render.Options{Tool: tool, FPS: 15, CRF: 29, Codec: "h264", Audio: true}, nil)
}

// of returns the stage of a sample: that of the first function in its stack, from the
// innermost on, that belongs to a stage.
func (s *stages) of(sample *profile.Sample) *float64 {
	for _, location := range sample.Location {
		for _, line := range location.Line {
			f := line.Function.Name
			switch {
			case strings.Contains(f, "video.(*planes)"), strings.Contains(f, "video.(*sampler)"), strings.Contains(f, "video/h264"):
				return &s.convert
			case strings.Contains(f, "video.(*feed)"):
				return &s.feed
			case strings.Contains(f, "guac.(*pool)"), strings.Contains(f, "guac.decode"):
				return &s.decode
			case strings.Contains(f, "guac.(*display)"), strings.Contains(f, "guac.(*painter)"):
				return &s.draw
			}
		}
	}
	return &s.read // parsing, decompression, hashing, and the Go runtime
}

// children returns the CPU seconds of child processes that have ended.
func children() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
