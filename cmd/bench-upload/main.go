// Command bench-upload closes many sessions at once: Lions hand their
// recordings to the real agent all together, as when a whole office goes home,
// while it converts them. It measures from outside how many are taken, how
// fast, and whether the agent stays alive and small.
//
//	make build && go run ./cmd/bench-upload
//	go run ./cmd/bench-upload -large 5000    one recording of 5000 MB instead
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

func main() {
	b := bench{}
	flag.StringVar(&b.binary, "agent", "bin/jumpserver-video", "the agent")
	flag.StringVar(&b.recording, "recording", "testdata/recordings/multipart/v4/2026-11-22", "a day's folder with one recording, in parts or flat")
	flag.IntVar(&b.sessions, "sessions", 50, "sessions that close at once")
	flag.IntVar(&b.target, "target", 80, "CPU_TARGET, percent")
	flag.IntVar(&b.large, "large", 0, "megabytes of one recording to upload instead, while nothing is converted")
	flag.BoolVar(&b.wait, "wait", false, "wait until all are served as MP4")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := b.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-upload:", err)
		os.Exit(1)
	}
}

type bench struct {
	binary, recording       string
	sessions, target, large int
	wait                    bool
}

const day = "2026-11-22"

func (b *bench) run(ctx context.Context) error {
	s, err := newSite(b.binary, b.target, b.large > 0)
	if err != nil {
		return err
	}
	defer s.close()
	lion, err := liontest.Start(ctx, liontest.Parts, liontest.Options{
		Core: s.core.URL, Worker: s.url(), Token: token, Name: "bench", Dir: s.dir + "/lion",
	})
	if err != nil {
		return err
	}
	defer lion.Close()
	ids, bytes, err := b.record(s, lion)
	if err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	fmt.Printf("%d sessions close at once: %.0f MB\n", len(ids), float64(bytes)/1e6)

	m := newMeter(s)
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
	if b.wait && ctx.Err() == nil {
		s.waitServed(ctx, ids)
	}
	stop()
	watched.Wait()
	fmt.Printf("taken                %d of %d in %.1f s: %.0f MB/s\n", taken.Load(), len(ids), took.Seconds(), float64(bytes)/1e6/took.Seconds())
	for what, n := range refusals {
		fmt.Printf("refused              %d: %s\n", n, what)
	}
	m.print(began)
	if b.wait {
		fmt.Printf("all served as MP4    after %.0f s\n", time.Since(began).Seconds())
	}
	return errors.Join(context.Cause(ctx), m.verdict(began, b.target), lostOnes(nowhere.Load()), unclean(refusals))
}

// unclean are refusals that were no answers: connections that broke.
func unclean(refusals map[string]int) error {
	for what, n := range refusals {
		if len(what) < 3 || what[0] != '4' && what[0] != '5' {
			return fmt.Errorf("%d uploads were not cleanly refused: %s", n, what)
		}
	}
	return nil
}

func lostOnes(n int64) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d recordings were taken by nobody", n)
}

// kind is the short form of a refusal: its status.
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

// percentile is the value below which a share of the sorted values lies.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func sorted(all []time.Duration) []time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}
