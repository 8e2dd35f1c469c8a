package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/open"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// expectedSaving is by how much recordings become smaller as a rule: 88 % and
// more, measured on sessions of office work and on busy ones.
const expectedSaving = 0.88

func (a *app) scanCommand() *cobra.Command {
	var asJSON bool
	var since string
	scan := &cobra.Command{
		Use:   "scan",
		Short: "What on the volume and in object storage would be converted; changes nothing",
		Long: `What on the volume and in object storage would be converted, what never, and why.
It reads and changes nothing. In object storage it goes by names and sizes.

  jumpserver-video scan                      every day
  jumpserver-video scan --since 2024-04-01   that day and later ones
  jumpserver-video scan --json               one object per storage, for scripts

Object storage is looked at when the agent has registered with core, whose
settings it needs.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := time.Parse(time.DateOnly, since); err != nil && since != "" {
				return usage(fmt.Errorf("--since %q: want YYYY-MM-DD", since))
			}
			return a.scan(c.Context(), since, asJSON)
		},
	}
	scan.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	scan.Flags().StringVar(&since, "since", "", "oldest day to look at, YYYY-MM-DD")
	return scan
}

// surveyed is what a scan found in one place.
type surveyed struct {
	Storage string        `json:"storage"`
	Error   string        `json:"error,omitempty"` // why it ended early
	Days    []surveyedDay `json:"days"`
	Total   surveyedDay   `json:"total"` // without date
	// Cost is what was asked of an object storage.
	Cost *storage.Usage `json:"cost,omitempty"`
}

type surveyedDay struct {
	watcher.Day

	// ExpectedSaving is in bytes, of what is convertible.
	ExpectedSaving int64 `json:"expected_saving"`
}

func saving(g watcher.Group) int64 { return int64(expectedSaving * float64(g.Bytes)) }

func (s *surveyed) visit(d watcher.Day) error {
	s.Days = append(s.Days, surveyedDay{d, saving(d.Convertible)})
	for _, g := range []struct{ to, from *watcher.Group }{
		{&s.Total.Convertible, &d.Convertible}, {&s.Total.Done, &d.Done}, {&s.Total.TooNew, &d.TooNew},
		{&s.Total.Broken, &d.Broken}, {&s.Total.Foreign, &d.Foreign},
	} {
		g.to.Recordings += g.from.Recordings
		g.to.Bytes += g.from.Bytes
	}
	for reason, n := range d.Reasons {
		if s.Total.Reasons == nil {
			s.Total.Reasons = map[string]int{}
		}
		s.Total.Reasons[reason] += n
	}
	s.Total.ExpectedSaving = saving(s.Total.Convertible)
	return nil
}

func (a *app) scan(ctx context.Context, since string, asJSON bool) error {
	cfg, err := a.agentConfig()
	if err != nil {
		return err
	}
	var all []*surveyed
	var failed error
	look := func(s *surveyed, err error) {
		if err != nil {
			s.Error = err.Error()
			failed = errors.Join(failed, err)
		}
		all = append(all, s)
	}
	settle := time.Duration(cfg.SettleTime)
	if cfg.ReplayDir != "" {
		s := &surveyed{Storage: cfg.ReplayDir, Days: []surveyedDay{}}
		err := watcher.Survey(ctx, cfg.ReplayDir, since, settle, s.visit)
		if errors.Is(err, fs.ErrNotExist) {
			err = advise(err, "REPLAY_DIR names core's replay folder as mounted on this host; jumpserver-video doctor checks it")
		}
		look(s, err)
	}
	remote, err := a.remoteStorage(ctx, cfg)
	switch {
	case errors.Is(err, coreapi.ErrNoKey) && failed == nil:
		fmt.Fprintln(a.err, "object storage is not looked at: the agent has not registered with core yet")
	case err != nil && !errors.Is(err, coreapi.ErrNoKey):
		failed = errors.Join(failed, err)
	}
	if remote != nil {
		s := &surveyed{Storage: remote.Place(), Days: []surveyedDay{}}
		err := bucket.Survey(ctx, remote, since, settle, s.visit)
		cost := remote.Usage()
		s.Cost = &cost
		look(s, err)
	}
	if asJSON {
		if all == nil {
			all = []*surveyed{}
		}
		return errors.Join(a.printJSON(all), failed)
	}
	// Of a place that could not be looked at the error says all there is to say.
	all = slices.DeleteFunc(all, func(s *surveyed) bool { return s.Error != "" && len(s.Days) == 0 })
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.printSurvey(s); err != nil {
			return err
		}
	}
	return failed
}

// remoteStorage opens the object storage that core is set to for this
// component; nil when there is none. It returns [coreapi.ErrNoKey] when core
// does not know us yet.
func (a *app) remoteStorage(ctx context.Context, cfg config.Config) (storage.Storage, error) {
	key, err := coreapi.KeyFile{Dir: cfg.Dir("keys")}.Load()
	if err != nil {
		return nil, err
	}
	core, err := coreapi.New(coreapi.Options{BaseURL: cfg.CoreURL(), Insecure: bool(cfg.IgnoreVerifyCerts), UserAgent: userAgent()})
	if err != nil {
		return nil, err
	}
	core.SetKey(key)
	terminal, err := core.TerminalConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("object storage is not looked at: %w", err)
	}
	c, err := storage.Parse(terminal.ReplayStorage)
	if err != nil {
		return nil, err
	}
	if c.Target() != storage.TargetBucket {
		return nil, nil
	}
	return open.Storage(c, storageOptions(cfg))
}

func (a *app) printSurvey(s *surveyed) error {
	fmt.Fprintf(a.out, "%s\n", terminal.Line(s.Storage))
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "DAY\tCONVERTIBLE\tBYTES\tSAVING\tDONE\tBYTES\tTOO NEW\tBYTES\tBROKEN\tBYTES\tFOREIGN\tBYTES\t")
	group := func(g watcher.Group) string { return fmt.Sprintf("%d\t%s", g.Recordings, megabytes(g.Bytes)) }
	line := func(name string, d surveyedDay) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, group(d.Convertible), megabytes(d.ExpectedSaving),
			group(d.Done), group(d.TooNew), group(d.Broken), group(d.Foreign))
	}
	for _, d := range s.Days {
		line(terminal.Line(d.Date), d)
	}
	line("total", s.Total)
	if err := w.Flush(); err != nil {
		return err
	}
	if len(s.Total.Reasons) > 0 {
		var parts []string
		for _, reason := range slices.Sorted(maps.Keys(s.Total.Reasons)) {
			parts = append(parts, fmt.Sprintf("%d %s", s.Total.Reasons[reason], terminal.Line(reason)))
		}
		fmt.Fprintf(a.out, "broken and foreign: %s\n", strings.Join(parts, ", "))
	}
	if s.Cost != nil {
		fmt.Fprintf(a.out, "asked of the storage: %d requests, %s received\n", s.Cost.Requests, megabytes(s.Cost.Received))
	}
	return nil
}
