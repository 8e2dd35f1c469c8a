// Command bench-scan lets the real agent look after a large replay volume on
// which there is little to do, and measures what that costs: the first sweep,
// the steady state, a restart, and a restart in the middle of a sweep. The
// volume is seen through FUSE, where every call is counted.
//
//	make build && go run ./cmd/bench-scan
//	go run ./cmd/bench-scan -files 20000 -days 40 -steady 20s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	b := bench{}
	flag.StringVar(&b.binary, "agent", "bin/jumpserver-video", "the agent")
	flag.IntVar(&b.files, "files", 200_000, "files on the volume")
	flag.IntVar(&b.days, "days", 400, "days that they lie on")
	flag.IntVar(&b.originals, "originals", 20, "one file of so many is a recording that is to be looked at and left alone")
	flag.DurationVar(&b.steady, "steady", 2*time.Minute, "how long the steady state is measured")
	flag.Float64Var(&b.most, "most", 1, "percent of one processor that the steady state may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := b.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-scan:", err)
		os.Exit(1)
	}
}

type bench struct {
	binary                 string
	files, days, originals int
	steady                 time.Duration
	most                   float64
}

func (b *bench) run(ctx context.Context) error {
	s, err := newSite(b.binary)
	if err != nil {
		return err
	}
	defer s.close()
	originals, err := s.fill(b.files, b.days, b.originals)
	if err != nil {
		return err
	}
	fmt.Printf("%d files over %d days, %d of them recordings of terminals that are to be left alone\n\n", b.files, b.days, originals)
	// Folders that have changed just now are read again.
	if err := pause(ctx, time.Minute); err != nil {
		return err
	}
	fmt.Printf("%-32s %8s %8s %8s %9s %9s %9s %9s\n", "", "wall s", "CPU s", "CPU %", "RSS MB", "folders", "look-ups", "reads")

	began := time.Now()
	// A first sweep, cut in half by a restart.
	m, err := s.start(ctx)
	if err != nil {
		return err
	}
	half := func() bool { return s.judged() >= originals/2 }
	if err := s.until(ctx, half); err != nil {
		return err
	}
	m.print("first half of the first sweep")
	first := m.volume
	if err := s.stop(); err != nil {
		return err
	}
	if m, err = s.start(ctx); err != nil {
		return err
	}
	if err := s.until(ctx, func() bool { return s.swept().After(began) && s.judged() >= originals }); err != nil {
		return err
	}
	m.print("the rest, after a restart")
	if again := m.volume["list"]; again > 2*b.days+b.days/2 {
		return fmt.Errorf("the sweep did not go on where it was: %d folders, after %d", again, first["list"])
	}

	before := s.steadily(ctx, b, "steady state")
	if err := s.stop(); err != nil {
		return err
	}
	again := time.Now()
	if m, err = s.start(ctx); err != nil {
		return err
	}
	if err := s.until(ctx, func() bool { return s.swept().After(again) }); err != nil {
		return err
	}
	m.print("restart, with a sweep")
	after := s.steadily(ctx, b, "steady state after it")
	fmt.Printf("\nrequests to core: %s\n", s.requests())
	return errors.Join(before, after)
}

// steadily measures the steady state, and judges it.
func (s *site) steadily(ctx context.Context, b *bench, what string) error {
	if err := pause(ctx, 10*time.Second); err != nil { // the last ones settle
		return err
	}
	m := s.measure()
	if err := pause(ctx, b.steady); err != nil {
		return err
	}
	percent := m.print(what)
	var errs []error
	if percent > b.most {
		errs = append(errs, fmt.Errorf("%s: %.2f %% of a processor, more than %.2f %%", what, percent, b.most))
	}
	if m.old > 0 {
		errs = append(errs, fmt.Errorf("%s: %d calls in old days", what, m.old))
	}
	// From outside each is looked at once in ten polls.
	if most := b.days * (1 + int(b.steady/(5*time.Minute))); m.looks > most {
		errs = append(errs, fmt.Errorf("%s: %d look-ups of old days, more than %d", what, m.looks, most))
	}
	return errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
