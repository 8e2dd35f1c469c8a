// Command bench-governor plays a script on this machine's processors and says
// whether the agent is polite: it runs the real agent against a development
// core, lets competitors come and go beside it, and measures from outside
// what each of them gets.
//
//	make build && go run ./cmd/bench-governor
//
// It wants the machine for itself for two and a half minutes. What others use is
// measured, shown and taken into account, but disturbs the comparison of the
// competitors' speeds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "compete" {
		compete()
		return
	}
	b := bench{}
	flag.StringVar(&b.binary, "agent", "bin/jumpserver-video", "the agent")
	flag.StringVar(&b.recording, "recording", "testdata/recordings/multipart/v4", "a replay folder with one recording in parts; work is made of it")
	flag.IntVar(&b.target, "target", 80, "CPU_TARGET, percent")
	flag.DurationVar(&b.phase, "phase", 20*time.Second, "length of a phase")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := b.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-governor:", err)
		os.Exit(1)
	}
}

// bench is one run of the script.
type bench struct {
	binary, recording string
	target            int
	phase             time.Duration

	site  *site
	meter *meter
}

// How a run ends in which a demand was not met.
var (
	errBroken = errors.New("not all demands were met")
	errNoisy  = errors.New("others used the machine too much to tell whether all demands are met; run it again on a quiet one")
)

func (b *bench) run(ctx context.Context) error {
	cores := runtime.NumCPU()
	half := max(1, cores/2)

	// How fast the competitors are without us, before and after: machines that
	// share a processor with others are faster at one time than at another.
	fmt.Printf("%d processors, target %d %%; competitors of %d and %d processors alone, first and last\n", cores, b.target, half, cores)
	b.meter = newMeter()
	before, err := b.alone(ctx, half, cores)
	if err != nil {
		return err
	}
	script, demands, err := b.beside(ctx, half, cores)
	if err != nil {
		return err
	}
	after, err := b.alone(ctx, half, cores)
	if err != nil {
		return err
	}
	for _, p := range script {
		demands = append(demands, b.judge(p, between(before[p.competitors], after[p.competitors]))...)
	}
	return report(os.Stdout, demands)
}

// beside plays the script beside an agent, shows what was measured, and answers
// the phases and what was demanded of the whole.
func (b *bench) beside(ctx context.Context, half, cores int) ([]phase, []demand, error) {
	var err error
	if b.site, err = newSite(b.binary, b.recording, b.target); err != nil {
		return nil, nil, err
	}
	defer func() {
		b.site.close()
		b.site, b.meter.agent = nil, 0
	}()
	if err := b.site.startAgent(ctx); err != nil {
		return nil, nil, err
	}
	if err := b.site.waitRendering(ctx); err != nil {
		return nil, nil, err
	}
	b.meter.points = nil
	b.meter.agent = b.site.agent.Process.Pid
	b.meter.read() // begins the count of the agent

	script := []phase{
		{name: "host to ourselves", length: b.phase, settle: 10 * time.Second},
		{name: fmt.Sprintf("%d competing", half), competitors: half, length: b.phase, settle: 5 * time.Second},
		{name: fmt.Sprintf("%d competing", cores), competitors: cores, length: b.phase, settle: 5 * time.Second},
		{name: "they have left", length: b.phase, settle: 10 * time.Second},
	}
	began := time.Now()
	for i := range script {
		script[i], err = b.play(ctx, script[i])
		if err != nil {
			return nil, nil, err
		}
		if script[i].competitors == cores {
			b.site.noteHeld(ctx)
		}
	}
	table(os.Stdout, script, cores)
	plot(os.Stdout, b.meter.points, b.target, cores)
	silence := b.site.core.Silence(began)
	demands := []demand{{what: "core heard of the agent all the time", held: silence < 35*time.Second,
		how: fmt.Sprintf("%s between two heartbeats at most, they are due every 30 s", silence.Round(time.Second))}}
	how := fmt.Sprintf("%d tasks", len(b.site.held))
	err = b.site.endHeld(ctx, 5*time.Minute)
	if err != nil {
		how = err.Error()
	}
	demands = append(demands, demand{
		what: "tasks at work on the full host have ended, at the first attempt", held: err == nil, how: how,
		noisy: script[len(script)-1].all.others > noise, // nobody has left the host to them
	})
	return script, demands, nil
}

// alone plays phases in which some numbers of competitors have the host.
func (b *bench) alone(ctx context.Context, numbers ...int) (map[int]phase, error) {
	phases := map[int]phase{}
	for _, n := range numbers {
		p, err := b.play(ctx, phase{name: fmt.Sprintf("%d competing, alone", n), competitors: n, length: b.phase / 2})
		if err != nil {
			return nil, err
		}
		phases[n] = p
	}
	return phases, nil
}

// play lets one phase pass and measures it.
func (b *bench) play(ctx context.Context, p phase) (phase, error) {
	rivals, err := startRivals(p.competitors)
	if err != nil {
		return p, err
	}
	defer rivals.stop()
	p.from = len(b.meter.points)
	units, began := rivals.units(), time.Now()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for time.Since(began) < p.length {
		select {
		case <-ctx.Done():
			return p, context.Cause(ctx)
		case <-ticker.C:
			b.meter.sample(rivals.pids())
			if b.site == nil {
				continue
			}
			took, err := b.site.answers(ctx)
			p.slowest = max(p.slowest, took)
			if err != nil {
				p.silent++
			}
		}
	}
	p.speed = (rivals.units() - units) / time.Since(began).Seconds()
	settled := p.from
	for settled < len(b.meter.points) && b.meter.points[settled].at.Sub(began) < p.settle {
		settled++
	}
	p.all, p.settled = mean(b.meter.points[p.from:]), mean(b.meter.points[settled:])
	return p, nil
}
