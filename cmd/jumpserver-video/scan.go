package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/open"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// expectedSaving is the usual reduction in size: 88 % or more, measured with sessions of
// office work and with busy ones.
const expectedSaving = 0.88

func (a *app) scanCommand() *cobra.Command {
	var asJSON, verbose bool
	var since string
	scan := &cobra.Command{
		Use:   "scan",
		Short: "List what would be converted on the volume and in object storage; change nothing",
		Long: `List what would be converted on the volume and in object storage, what would not,
and why. It changes nothing. In object storage it checks only names and sizes.

  jumpserver-video scan                      every day
  jumpserver-video scan --since 2024-04-01   that day and later ones
  jumpserver-video scan -v                   also each recording, with its size, kind and reason
  jumpserver-video scan --json               one object per storage, for scripts

It can read object storage only after the agent has registered with core, because
it needs core's settings.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := time.Parse(time.DateOnly, since); err != nil && since != "" {
				return usage(fmt.Errorf("--since %q: must have the format YYYY-MM-DD", since))
			}
			return a.scan(c.Context(), since, asJSON, verbose)
		},
	}
	scan.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	scan.Flags().BoolVarP(&verbose, "verbose", "v", false, "also list each recording, with its size, kind and reason")
	scan.Flags().StringVar(&since, "since", "", "oldest day to scan, YYYY-MM-DD")
	return scan
}

// surveyed is the result of scanning one place.
type surveyed struct {
	Storage string        `json:"storage"`
	Error   string        `json:"error,omitempty"` // why the scan ended early
	Days    []surveyedDay `json:"days"`
	Total   surveyedDay   `json:"total"` // without date
	// Cost is the usage of an object storage.
	Cost *storage.Usage `json:"cost,omitempty"`

	verbose bool // keep the list of its files
}

type surveyedDay struct {
	watcher.Day

	// ExpectedSaving is the expected saving for convertible recordings, in bytes.
	ExpectedSaving int64 `json:"expected_saving"`
}

func saving(g watcher.Group) int64 { return int64(expectedSaving * float64(g.Bytes)) }

func (s *surveyed) visit(d watcher.Day) error {
	if !s.verbose {
		d.Files = nil
	}
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

func (a *app) scan(ctx context.Context, since string, asJSON, verbose bool) error {
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
		s := &surveyed{Storage: cfg.ReplayDir, Days: []surveyedDay{}, verbose: verbose}
		err := watcher.Survey(ctx, cfg.ReplayDir, since, settle, s.visit)
		if errors.Is(err, fs.ErrNotExist) {
			err = advise(err, "set REPLAY_DIR to core's replay folder as it is mounted on this host; jumpserver-video doctor checks it")
		}
		look(s, err)
	}
	remote, err := a.remoteStorage(ctx, cfg)
	switch {
	case errors.Is(err, coreapi.ErrNoKey) && failed == nil:
		fmt.Fprintln(a.err, a.lang.T("cli.no_storage_yet"))
	case err != nil && !errors.Is(err, coreapi.ErrNoKey):
		failed = errors.Join(failed, err)
	}
	if remote != nil {
		s := &surveyed{Storage: remote.Place(), Days: []surveyedDay{}, verbose: verbose}
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
	// For a place that could not be read, the error is enough.
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

// remoteStorage opens the object storage in core's settings of this component; nil if
// there is none. It returns [coreapi.ErrNoKey] if the agent has not registered with core
// yet.
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
		return nil, fmt.Errorf("object storage is not scanned: %w", err)
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
	t := &table{right: true}
	head := []string{a.lang.T("cli.col_day"), a.lang.T("cli.col_convertible"), a.lang.T("cli.col_bytes"), a.lang.T("cli.col_saving")}
	for _, column := range []string{"done", "too_new", "broken", "foreign"} {
		head = append(head, a.lang.T("cli.col_"+column), a.lang.T("cli.col_bytes"))
	}
	t.row(head...)
	line := func(name string, d surveyedDay) {
		cells := []string{name, a.lang.Number(int64(d.Convertible.Recordings)), a.lang.Bytes(d.Convertible.Bytes), a.lang.Bytes(d.ExpectedSaving)}
		for _, g := range []watcher.Group{d.Done, d.TooNew, d.Broken, d.Foreign} {
			cells = append(cells, a.lang.Number(int64(g.Recordings)), a.lang.Bytes(g.Bytes))
		}
		t.row(cells...)
	}
	for _, d := range s.Days {
		line(terminal.Line(d.Date), d)
	}
	line(a.lang.T("cli.total"), s.Total)
	if err := t.print(a.out); err != nil {
		return err
	}
	if len(s.Total.Reasons) > 0 {
		var parts []string
		for _, reason := range slices.Sorted(maps.Keys(s.Total.Reasons)) {
			parts = append(parts, fmt.Sprintf("%d %s", s.Total.Reasons[reason], terminal.Line(reason)))
		}
		fmt.Fprintln(a.out, a.lang.T("cli.broken_and_foreign", "kinds", strings.Join(parts, ", ")))
	}
	if s.verbose {
		if err := a.printFiles(s.Days); err != nil {
			return err
		}
	}
	if s.Cost != nil {
		fmt.Fprintln(a.out, a.lang.T("cli.asked_of_storage", "n", int(s.Cost.Requests), "received", i18n.Bytes(s.Cost.Received)))
	}
	return nil
}

// printFiles lists each file of a survey.
func (a *app) printFiles(days []surveyedDay) error {
	as := map[watcher.As]string{
		watcher.AsConvertible: a.lang.T("cli.is_convertible"), watcher.AsDone: a.lang.T("cli.is_done"), watcher.AsTooNew: a.lang.T("cli.is_too_new"),
		watcher.AsBroken: a.lang.T("cli.is_broken"), watcher.AsForeign: a.lang.T("cli.is_foreign"),
	}
	t := &table{}
	t.row(a.lang.T("cli.col_file"), a.lang.T("cli.col_bytes"), a.lang.T("cli.col_what"), a.lang.T("cli.col_reason"))
	for _, d := range days {
		for _, f := range d.Files {
			t.row(terminal.Line(f.Path), a.lang.Bytes(f.Bytes), as[f.As], terminal.Line(f.Reason))
		}
	}
	fmt.Fprintln(a.out)
	return t.print(a.out)
}
