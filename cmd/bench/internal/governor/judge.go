package governor

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// phase is a part of the script and what was measured in it.
type phase struct {
	name        string
	competitors int
	length      time.Duration
	settle      time.Duration // after its beginning; from then on, the promises apply

	from    int           // index of its first point
	all     point         // mean of all its points
	settled point         // mean of the points after settle
	slowest time.Duration // longest response time of the agent's health
	silent  int           // health requests without a response of status 200
}

// demand is a promise, and whether it was kept.
type demand struct {
	what  string
	held  bool
	how   string // the measured values
	noisy bool   // others used too much CPU time: a failure proves nothing
}

// noise is the limit of the CPU time that others use, in percent of the host. Above
// it, a failure is not attributed to the agent.
const noise = 10

// tolerance is the permitted error of measurements, in percent of the host. The agent's
// governor stays below the target by twice this value.
const tolerance = 1

// judge compares what was measured in a phase with the promises.
func (t *trial) judge(p phase) []demand {
	s := p.settled
	host := 100 / float64(t.meter.cores)
	rest := float64(t.target) - s.others - s.rivals // what the target leaves us
	demands := []demand{}
	add := func(held bool, what, how string, args ...any) {
		demands = append(demands, demand{
			what: p.name + ": " + what, held: held, how: fmt.Sprintf(how, args...),
			noisy: p.all.others > noise,
		})
	}
	if trickle := 0.05 * host; rest < 2*trickle {
		add(s.ours <= 2*trickle+tolerance, "the agent uses almost no CPU time", "%.1f %% of the host", s.ours)
	} else {
		add(s.ours+s.others+s.rivals <= float64(t.target)+tolerance, "the target is not exceeded", "%.1f %% of the host in use, target %d %%", s.ours+s.others+s.rivals, t.target)
		add(s.ours >= 0.85*rest-tolerance, "the agent uses what is left", "%.1f %% of the host, %.1f %% were left", s.ours, rest)
	}
	add(p.silent == 0 && p.slowest < 2*time.Second, "the agent responds", "within %s", p.slowest.Round(time.Millisecond))
	return demands
}

// table prints the averages of the phases, in percent of the host.
func table(w io.Writer, script []phase, cores int) {
	fmt.Fprintf(w, "\naverages in percent of %d processors; after = from the end of the promised settling time\n\n", cores)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "phase\tours\tcompetitors\tothers\tours after\tall after\t")
	for _, p := range script {
		s := p.settled
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", p.name, p.all.ours, p.all.rivals, p.all.others, s.ours, s.ours+s.rivals+s.others)
	}
	_ = t.Flush()
}

// report prints the demands. If one was not met, it returns errBroken, or errNoisy if
// others used too much CPU time in all such cases.
func report(w io.Writer, demands []demand) error {
	fmt.Fprintln(w)
	var err error
	for _, d := range demands {
		mark := "held   "
		switch {
		case !d.held && d.noisy:
			mark, err = "UNCLEAR", cmp.Or(err, errNoisy)
		case !d.held:
			mark, err = "BROKEN ", errBroken
		}
		fmt.Fprintf(w, "%s  %s (%s)\n", mark, d.what, d.how)
	}
	return err
}
