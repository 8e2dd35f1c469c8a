// Package upload ends many sessions at once, as when a whole office goes home. A
// simulated Lion uploads all their recordings together to a real agent, which converts
// them at the same time. From outside, it measures how many uploads are accepted, how
// fast, and whether the agent keeps responding. It also checks the agent's memory.
package upload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// trial is one run of the benchmark: its options, and what it works with.
type trial struct {
	binary, recording string
	sessions          int
	target            int // CPU_TARGET, percent
	large             int // MB of the only recording; 0 = upload the recordings of all sessions
	wait              bool

	agent *agenttest.Agent
}

// Command returns the command `bench upload`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "upload",
		Short: "Measure the uploads of many sessions that end at once",
		Long: `Measure the uploads of many sessions that end at once. All their recordings are
uploaded together to a real agent, which converts them at the same time. The
command fails if a recording is lost, if the agent does not respond in time, or if
it needs too much memory.`,
		Example: `  make build && go run ./cmd/bench upload
  go run ./cmd/bench upload --wait          until all are served as MP4
  go run ./cmd/bench upload --large 5000    one recording of 5000 MB instead`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.binary, "binary", "bin/jumpserver-video", "the agent's program")
	f.StringVar(&t.recording, "recording", "testdata/recordings/multipart/v4/2026-11-22", "a day's folder with one recording, in parts or flat")
	f.IntVar(&t.sessions, "sessions", 50, "sessions that end at once")
	f.IntVar(&t.target, "target", 80, "CPU_TARGET, percent")
	f.IntVar(&t.large, "large", 0, "upload one recording of this many MB instead, while nothing is converted; 0 = off")
	f.BoolVar(&t.wait, "wait", false, "wait until core serves an MP4 of each session")
	return cmd
}

const day = "2026-11-22"

func (t *trial) run(ctx context.Context) (err error) {
	if t.agent, err = t.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.agent.Close()) }()
	lion, err := liontest.Start(ctx, liontest.Parts, liontest.Options{
		Core: t.agent.Core.URL, Worker: t.agent.URL(), Token: t.agent.Env["BOOTSTRAP_TOKEN"], Name: "bench", Dir: filepath.Join(t.agent.Dir, "lion"),
	})
	if err != nil {
		return err
	}
	defer lion.Close()
	ids, bytes, err := t.record(lion)
	if err != nil {
		return err
	}
	if err := t.agent.Start(); err != nil {
		return err
	}
	if err := t.agent.WaitHealthy(ctx); err != nil {
		return err
	}
	fmt.Printf("%d sessions end at once: %.0f MB\n", len(ids), float64(bytes)/1e6)

	m := newMeter(t.agent)
	watching, stop := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() { m.run(watching) })
	began := time.Now()
	var taken, nowhere atomic.Int64
	var mu sync.Mutex
	refusals := map[string]int{}
	var uploads sync.WaitGroup
	for _, id := range ids {
		uploads.Go(func() {
			out, err := lion.End(ctx, id, day)
			switch {
			case err != nil:
				nowhere.Add(1)
				fmt.Fprintln(os.Stderr, id, err)
			case out.Task != "":
				taken.Add(1)
			default:
				mu.Lock()
				refusals[kind(out.Refused)]++
				mu.Unlock()
			}
		})
	}
	uploads.Wait()
	took := time.Since(began)
	if t.wait && ctx.Err() == nil {
		t.waitServed(ctx, ids)
	}
	stop()
	watched.Wait()
	fmt.Printf("accepted             %d of %d in %.1f s: %.0f MB/s\n", taken.Load(), len(ids), took.Seconds(), float64(bytes)/1e6/took.Seconds())
	for what, n := range refusals {
		fmt.Printf("refused              %d: %s\n", n, what)
	}
	m.print(began)
	if t.wait {
		fmt.Printf("all served as MP4    after %.0f s\n", time.Since(began).Seconds())
	}
	return errors.Join(context.Cause(ctx), m.verdict(began, t.target), lostOnes(nowhere.Load()), unclean(refusals))
}

// unclean returns an error if uploads failed without an HTTP status, because their
// connections broke.
func unclean(refusals map[string]int) error {
	for what, n := range refusals {
		if len(what) < 3 || what[0] != '4' && what[0] != '5' {
			return fmt.Errorf("%d uploads failed without an HTTP status: %s", n, what)
		}
	}
	return nil
}

// lostOnes returns an error if n, the number of lost recordings, is not 0.
func lostOnes(n int64) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("neither the agent nor core accepted %d recordings", n)
}

// kind returns a short form of a refusal, from the HTTP status on, or the whole text
// if it has no known status.
func kind(err error) string {
	text := err.Error()
	for _, status := range []string{"401", "403", "408", "409", "415", "422", "429", "503", "507"} {
		if strings.Contains(text, ": "+status+" ") {
			_, what, _ := strings.Cut(text, ": ")
			return what
		}
	}
	return text
}

// percentile returns the value below which a share of the sorted values is. share is
// between 0 and 1; 1 means the largest value.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// sorted returns a sorted copy.
func sorted(all []time.Duration) []time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}
