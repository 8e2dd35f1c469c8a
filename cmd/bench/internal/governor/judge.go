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
	settle      time.Duration // what is promised holds from here on

	from    int           // its first point
	all     point         // mean of it all
	settled point         // mean of what came after settle
	slowest time.Duration // answer of the agent
	silent  int           // questions it did not answer well
}

// demand is something promised and whether it held.
type demand struct {
	what  string
	held  bool
	how   string
	noisy bool // others used so much that a failure proves nothing
}

// noise is how much others may use, in percent of the host, for a failure to
// be ours.
const noise = 10

// tolerance of measurements, in percent of the host: the governor keeps
// twice as much below the target.
const tolerance = 1

// judge compares a phase with what is promised.
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
		add(s.ours <= 2*trickle+tolerance, "only a trickle is ours", "%.1f %% of the host", s.ours)
	} else {
		add(s.ours+s.others+s.rivals <= float64(t.target)+tolerance, "the target holds", "%.1f %% in use of %d %%", s.ours+s.others+s.rivals, t.target)
		add(s.ours >= 0.85*rest-tolerance, "what is left is used", "%.1f %% of %.1f %%", s.ours, rest)
	}
	add(p.silent == 0 && p.slowest < 2*time.Second, "the agent answers", "within %s", p.slowest.Round(time.Millisecond))
	return demands
}

// table prints the means of the phases, in percent of the host.
func table(w io.Writer, script []phase, cores int) {
	fmt.Fprintf(w, "\nmeans in percent of %d processors; after = once the time promised for settling has passed\n\n", cores)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "phase\tours\tcompetitors\tothers\tours after\tall after\t")
	for _, p := range script {
		s := p.settled
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", p.name, p.all.ours, p.all.rivals, p.all.others, s.ours, s.ours+s.rivals+s.others)
	}
	_ = t.Flush()
}

// report prints the demands and errs when one was not met.
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
