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

// reading is what the agents had done at a point in time.
type reading struct {
	at     time.Time
	tasks  float64                // done
	own    float64                // CPU seconds of the agents, without ffmpeg
	ffmpeg map[video.Step]float64 // CPU seconds of ffmpeg

	converted []float64 // tasks done by each agent
	requests  int       // that core has received
}

var steps = []video.Step{video.StepEncode, video.StepVerify, video.StepJoin, video.StepSound}

// measure reads the metrics of all agents, and the requests to core.
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
			// An agent that has not begun a task yet does not have this metric.
			used, _ := a.Metric(ctx, "jumpserver_video_ffmpeg_cpu_seconds_total", fmt.Sprintf("step=%q", step))
			r.ffmpeg[step] += used
		}
		converted, _ := a.Metric(ctx, "jumpserver_video_task_attempts_total", `reason="",state="done"`)
		r.converted = append(r.converted, converted)
	}
	r.requests = len(t.agent.Core.Requests())
	return r, nil
}

// reportCore prints the number of requests to core and, for several agents, how many
// tasks each of them did.
func (t *trial) reportCore(first, last reading) {
	tasks := last.tasks - first.tasks
	fmt.Printf("%-28s %8.1f per task, %.0f per minute\n", "requests to core", float64(last.requests-first.requests)/tasks,
		float64(last.requests-first.requests)/last.at.Sub(first.at).Minutes())
	if len(last.converted) > 1 {
		fmt.Printf("%-28s %8.0f\n", "tasks of each agent", last.converted)
	}
}

// report prints the tasks per minute, and the CPU time of a task by purpose. parts are
// the shares of the agents' own CPU time that [profiled] returns.
func report(first, last reading, parts map[string]float64) {
	tasks, wall := last.tasks-first.tasks, last.at.Sub(first.at)
	fmt.Printf("\n%-28s %8.0f per minute\n", "tasks", tasks/wall.Minutes())
	own := last.own - first.own
	all := own
	for step := range last.ffmpeg {
		all += last.ffmpeg[step] - first.ffmpeg[step]
	}
	line := func(what string, seconds float64) {
		fmt.Printf("%-28s %8.3f s %5.0f %%\n", what, seconds/tasks, 100*seconds/all)
	}
	line("CPU time of a task", all)
	for _, step := range steps {
		line("  ffmpeg: "+string(step), last.ffmpeg[step]-first.ffmpeg[step])
	}
	line("  the agent's process", own)
	for _, k := range kinds {
		line("    "+k.what, own*parts[k.what])
	}
	line("    "+other, own*parts[other])
}

// kinds are the purposes of the agent's own CPU time. A sample belongs to the first kind
// of which its stack has a function: one whose name contains a text in has.
var kinds = []struct {
	what string
	has  []string
}{
	{"drawing, conversion", []string{"/transcode/render.", "/transcode/guac", "/transcode/video"}},
	{"hashes and copies of files", []string{"/destination.HashFile", "/seal."}},
	{"queue and ledger", []string{"nats-io/", "/transcode/queue.", "/cleanup/ledger."}},
	{"requests to core", []string{"/coreapi.", "net/http"}},
	{"monitoring the volume", []string{"/watcher."}},
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}},
}

const other = "everything else"

// profiled returns the share of each kind in the agent's own CPU time, 0 to 1, from the
// CPU profile in a file.
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

// kindOf returns the kind that a sample belongs to.
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

// profile returns the path of the first agent's CPU profile.
func (t *trial) profile() string { return filepath.Join(t.agent.Dir, "cpu.pprof") }
