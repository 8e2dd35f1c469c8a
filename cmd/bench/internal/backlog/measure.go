package backlog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// reading is what the agent had done at a moment.
type reading struct {
	at     time.Time
	tasks  float64
	own    float64 // seconds of the processor, without ffmpeg
	ffmpeg map[video.Step]float64

	converted []float64 // tasks of each agent
	requests  int       // that core has had
}

var steps = []video.Step{video.StepEncode, video.StepVerify, video.StepJoin, video.StepSound}

func (t *trial) measure(ctx context.Context) (r reading, err error) {
	r = reading{at: time.Now(), ffmpeg: map[video.Step]float64{}}
	if r.tasks, err = t.agent.Metric(ctx, "jumpserver_video_tasks", `state="done"`); err != nil {
		return r, err
	}
	for _, a := range t.all() {
		own, err := a.Metric(ctx, "process_cpu_seconds_total")
		if err != nil {
			return r, err
		}
		r.own += own
		for _, step := range steps {
			// An agent that has not begun a task yet has none.
			used, _ := a.Metric(ctx, "jumpserver_video_ffmpeg_cpu_seconds_total", fmt.Sprintf("step=%q", step))
			r.ffmpeg[step] += used
		}
		converted, _ := a.Metric(ctx, "jumpserver_video_task_attempts_total", `reason="",state="done"`)
		r.converted = append(r.converted, converted)
	}
	r.requests = len(t.agent.Core.Requests())
	return r, nil
}

// reportCore prints what core saw, and which agent did how much.
func (t *trial) reportCore(first, last reading) {
	tasks := last.tasks - first.tasks
	fmt.Printf("%-28s %8.1f a task, %.0f a minute\n", "requests to core", float64(last.requests-first.requests)/tasks,
		float64(last.requests-first.requests)/last.at.Sub(first.at).Minutes())
	if len(last.converted) > 1 {
		fmt.Printf("%-28s %8.0f\n", "tasks of each agent", last.converted)
	}
}

func report(first, last reading, parts map[string]float64) {
	tasks, wall := last.tasks-first.tasks, last.at.Sub(first.at)
	fmt.Printf("\n%-28s %8.0f a minute\n", "tasks", tasks/wall.Minutes())
	own := last.own - first.own
	all := own
	for step := range last.ffmpeg {
		all += last.ffmpeg[step] - first.ffmpeg[step]
	}
	line := func(what string, seconds float64) {
		fmt.Printf("%-28s %8.3f s %5.0f %%\n", what, seconds/tasks, 100*seconds/all)
	}
	line("processor time of a task", all)
	for _, step := range steps {
		line("  ffmpeg: "+string(step), last.ffmpeg[step]-first.ffmpeg[step])
	}
	line("  the agent's process", own)
	for _, k := range kinds {
		line("    "+k.what, own*parts[k.what])
	}
	line("    "+other, own*parts[other])
}

// kinds are what the agent's own time goes to, and what a stack of each has in
// it. The first that fits counts.
var kinds = []struct {
	what string
	has  []string
}{
	{"drawing, conversion", []string{"/transcode/render.", "/transcode/guac", "/transcode/video"}},
	{"hashes and copies of files", []string{"/destination.HashFile", "/seal."}},
	{"queue and ledger", []string{"nats-io/", "/transcode/queue.", "/cleanup/ledger."}},
	{"requests to core", []string{"/coreapi.", "net/http"}},
	{"watching the volume", []string{"/watcher."}},
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}},
}

const other = "all else"

// profiled is which part of the agent's own time went to each kind.
func profiled(path string) (parts map[string]float64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return nil, err
	}
	parts = map[string]float64{}
	var all float64
	for _, sample := range p.Sample {
		parts[kindOf(sample)] += float64(sample.Value[1])
		all += float64(sample.Value[1])
	}
	for what := range parts {
		parts[what] /= all
	}
	return parts, nil
}

func kindOf(sample *profile.Sample) string {
	for _, kind := range kinds {
		for _, location := range sample.Location {
			for _, line := range location.Line {
				for _, part := range kind.has {
					if strings.Contains(line.Function.Name, part) {
						return kind.what
					}
				}
			}
		}
	}
	return other
}

func (t *trial) profile() string { return filepath.Join(t.agent.Dir, "cpu.pprof") }
