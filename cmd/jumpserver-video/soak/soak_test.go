package soak

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

var (
	recordings = flag.Int("recordings", len(menu), "number of recordings")
	minutes    = flag.Float64("minutes", 0.2, "length of the day, without the work that is left in the evening")
	seed       = flag.Uint64("seed", 1, "seed of the random faults; 0 = another one each time")
	keep       = flag.String("dir", "", "folder to run in; nothing in it is removed")
	binary     string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		var remove func()
		var err error
		if binary, remove, err = agenttest.Build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer remove()
		return m.Run()
	}())
}

// evening is the time limit for the work that is left, as a multiple of the day.
const evening = 6

func TestSoak(t *testing.T) {
	length := time.Duration(*minutes * float64(time.Minute))
	long := length >= 2*time.Minute
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	random := rand.New(rand.NewPCG(*seed, 1))
	t.Logf("seed %d", *seed)
	_, err := os.Stat("../../../.cache/bin/versitygw")
	plan := planner{sources: sources(t), random: random, now: time.Now(), day: length * 6 / 10, bucket: err == nil}
	s := newSimulation(t, dir, plan.plan(*recordings), plan.bucket)
	s.start()
	t.Cleanup(func() { _ = s.agent.Kill() })
	ctx, cancel := context.WithTimeout(t.Context(), evening*length+3*time.Minute)
	defer cancel()
	s.agent.Check(t, s.agent.WaitHealthy(t.Context()))

	began := time.Now()
	var group, measuring sync.WaitGroup
	var past []window
	var samples []sample
	kills := 0
	watching, unwatch := context.WithCancel(ctx)
	measuring.Go(func() { samples = s.watch(watching) })
	bad, good := context.WithDeadline(ctx, began.Add(length*7/10))
	defer good()
	scale := time.Second
	if long {
		scale = 4 * time.Second
	}
	a, b := rand.New(rand.NewPCG(*seed, 2)), rand.New(rand.NewPCG(*seed, 3))
	group.Go(func() { past = s.injectFaults(bad, a, scale, long) })
	group.Go(func() { kills = s.killRepeatedly(bad, b, 3*scale) })
	group.Go(func() {
		agenttest.Pause(ctx, length*3/10)
		if err := s.switchStorage(); err != nil {
			s.addFault("switch the storage: %v", err)
		}
	})
	group.Go(func() { s.arrivals(ctx, began) })
	group.Wait()
	t.Logf("after %s all have arrived, and the faults have ended: %d kills, %d troubles", time.Since(began).Round(time.Second), kills, len(past))
	s.waitUntilDone(ctx)
	took := time.Since(began)
	unwatch()
	measuring.Wait()
	worn, err := s.idle(t.Context(), 2*time.Minute) // ctx may have ended
	if err != nil {
		s.addFault("worn: %v", err)
	}
	tasks := s.views(t.Context())
	old := s.pid()
	s.stop()
	s.checkNoProcesses(old)
	s.start()
	s.agent.Check(t, s.agent.WaitHealthy(t.Context()))
	agenttest.Pause(t.Context(), 5*time.Second)
	fresh, err := s.idle(t.Context(), time.Minute)
	if err != nil {
		s.addFault("fresh: %v", err)
	}
	s.stop()

	told := s.events()
	wrong := s.check(t.Context(), tasks, told)
	tooMany, total, peak, down := s.requestRates(began, past)
	wrong = slices.Concat(wrong, tooMany, s.secrets(), flat(worn, fresh), ready(samples), s.decodes(t.Context(), max(4, len(s.items)/20)))
	missing := untold(s.items, told)
	if missing > kills+len(past)*4 {
		wrong = append(wrong, fmt.Sprintf("core did not get %d events", missing))
	}
	t.Logf("%d recordings in %s: %v", len(s.items), took.Round(time.Second), outcomes(s, tasks))
	t.Logf("%d kills, %d troubles; events that core never got: %d", kills, len(past), missing)
	t.Logf("requests to core: %d, %.1f per recording, at most %d per second; %.1f per second while it was down", total, float64(total)/float64(len(s.items)), peak, down)
	t.Logf("agent, after the day: %s", worn)
	t.Logf("agent, restarted:     %s", fresh)
	t.Logf("%s", summary(samples))
	for _, what := range wrong {
		t.Error(what)
	}
	if len(wrong) == 0 {
		s.checkTheChecker(t, tasks, told)
	}
}

// views returns all tasks of the agent.
func (s *simulation) views(ctx context.Context) map[string]task.View {
	views, err := s.agent.Tasks(ctx)
	if err != nil {
		s.log.Warn("no tasks", "error", err.Error())
	}
	return views
}

// waitUntilDone waits until nothing is left to do. It retries failed tasks at once, as an operator
// would, and not at the time of their next retry.
func (s *simulation) waitUntilDone(ctx context.Context) {
	spool := &upload.Spool{Dir: s.agent.Data("spool")}
	quiet := 0
	for said := time.Now(); quiet < 3; agenttest.Pause(ctx, time.Second) {
		tasks := s.views(ctx)
		open := 0
		var waits []string
		for id, i := range s.items {
			v := tasks[id]
			if v.State == queue.StateRetrying {
				_ = s.agent.API.Retry(ctx, id, "") // the agent may just have leased it
			}
			if !v.State.Final() && i.want != stays || i.want == ends && s.inPlace(i) {
				open++
				waits = append(waits, fmt.Sprintf("%s (%s): %s %s", id, i.kind, v.State, v.Reason))
			}
		}
		left, err := spool.Complete()
		if quiet++; len(tasks) == 0 || open > 0 || err != nil || len(left) > 0 {
			quiet = 0
		}
		if time.Since(said) > 30*time.Second {
			said = time.Now()
			for _, l := range left {
				v := tasks[l.Session]
				waits = append(waits, fmt.Sprintf("upload %s of %s (%s): %s %s, of %s", l.ID, l.Session, s.items[l.Session].kind, v.State, v.Reason, v.Path))
			}
			s.t.Logf("%d recordings and %d uploads are not done yet: %s", open, len(left), strings.Join(waits, "; "))
		}
		if ctx.Err() != nil {
			s.addFault("%d recordings and %d uploads were not done in time", open, len(left))
			return
		}
	}
}

// inPlace reports whether an original is in its place: another one may have arrived after its
// task was done.
func (s *simulation) inPlace(i *item) bool {
	_, err := os.Lstat(filepath.Join(s.coreReplay(), filepath.FromSlash(i.original())))
	return err == nil
}

// flat compares the resources of an agent after the day with those of a restarted one.
func flat(worn, fresh gauge) (wrong []string) {
	if worn.goroutines > fresh.goroutines+20 || worn.files > fresh.files+20 || worn.children > 0 || worn.temps > 0 || worn.memory > 2*fresh.memory+100<<20 {
		wrong = append(wrong, fmt.Sprintf("the agent leaks: after the day %s, restarted %s", worn, fresh))
	}
	return wrong
}

// ready checks that health always responds, whatever fails.
func ready(samples []sample) (wrong []string) {
	for _, s := range samples {
		if s.status == 0 && s.lifetime > 30*time.Second || s.health > 10*time.Second {
			wrong = append(wrong, fmt.Sprintf("at %s the agent, %s old, responded with %d after %s", s.at.Format(time.TimeOnly), s.lifetime.Round(time.Second), s.status, s.health))
		}
	}
	return wrong
}

func summary(samples []sample) string {
	var most gauge
	var slowest time.Duration
	for _, s := range samples {
		most = gauge{max(most.memory, s.memory), max(most.goroutines, s.goroutines), max(most.files, s.files), max(most.children, s.children), max(most.temps, s.temps)}
		slowest = max(slowest, s.health)
	}
	return fmt.Sprintf("at most:              %s; slowest response %s", most, slowest.Round(time.Millisecond))
}

func outcomes(s *simulation, tasks map[string]task.View) map[string]int {
	n := map[string]int{}
	for id, i := range s.items {
		n[fmt.Sprintf("%s: %s %s", i.kind, tasks[id].State, tasks[id].Reason)]++
	}
	return n
}

// checkTheChecker checks that the checker finds faults.
func (s *simulation) checkTheChecker(t *testing.T, tasks map[string]task.View, told map[string][]string) {
	t.Helper()
	for name, spoil := range map[string]func(i *item) bool{
		"a lost MP4": func(i *item) bool {
			if s.client != nil && s.client.RemoveObject(t.Context(), bucket, i.video(), minio.RemoveObjectOptions{}) != nil {
				return false
			}
			return i.want == ends && os.Remove(filepath.Join(s.coreReplay(), i.video())) == nil
		},
		"another MP4": func(i *item) bool {
			path := filepath.Join(s.coreReplay(), i.video())
			_, err := os.Stat(path)
			return i.want == ends && err == nil && os.WriteFile(path, []byte("something"), 0o644) == nil
		},
		"a changed original": func(i *item) bool {
			path := filepath.Join(s.coreReplay(), i.original())
			_, err := os.Stat(path)
			return i.want == stays && err == nil && os.WriteFile(path, []byte("something"), 0o644) == nil
		},
		"a repeated event": func(i *item) bool {
			if i.kind == "flat" {
				told[i.id] = append(told[i.id], told[i.id]...)
			}
			return i.kind == "flat"
		},
		"a leftover": func(i *item) bool {
			return os.WriteFile(filepath.Join(s.coreReplay(), i.day(), i.id+".replay_abcdefg.mp4"), []byte("x"), 0o644) == nil
		},
	} {
		before := len(s.check(t.Context(), tasks, told))
		for _, i := range s.items {
			if spoil(i) {
				break
			}
		}
		if len(s.check(t.Context(), tasks, told)) == before {
			t.Errorf("the checker does not notice %s", name)
		}
	}
}
