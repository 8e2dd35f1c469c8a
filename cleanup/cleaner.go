package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// Report tells what a clean-up removed.
type Report struct {
	TrashDays int      // days of the trash
	Tasks     int      // task folders
	Work      int      // leftovers of work
	Objects   int      // of the trash in a bucket
	Strange   []string // names that are not ours and were left alone
}

// Cleaner removes what has had its time, at once and then every day.
type Cleaner struct {
	TasksDir    string        // a folder per task, with its log
	TaskLogKeep time.Duration // how long after its last change a task's folder is kept

	WorkDir   string                    // a folder per task at work
	WorkInUse func(session string) bool // tells whether a task is at work now

	Trash     *Trash        // nil = no volume
	TrashKeep time.Duration // how long the trash keeps originals

	// Bucket, when not nil, removes what has been in the trash of a bucket
	// for longer, and answers how many objects that were.
	Bucket func(ctx context.Context, keep time.Duration) (int, error)

	// Clock is the file that keeps when the last clean-up was; "" = none. When
	// that was long ago the clock may be wrong, and nothing goes until the next.
	Clock string

	Every time.Duration // between two clean-ups (24 h)
	Log   *slog.Logger
	Now   func() time.Time // nil = time.Now

	told map[string]bool // strange names that were logged; owned by Run
}

// workAge is how old a work folder must be: a task at the very beginning may
// not count as in use yet.
const workAge = time.Hour

// Run cleans up until ctx ends.
func (c *Cleaner) Run(ctx context.Context) error {
	every := c.Every
	if every <= 0 {
		every = 24 * time.Hour
	}
	c.told = map[string]bool{}
	for {
		var report Report
		err := c.leapt(every + longAgo)
		if err == nil {
			report, err = c.Once(ctx)
		}
		if errors.Is(err, errLeapt) {
			c.Log.Info("nothing is removed today", "why", err)
		} else if err != nil {
			c.Log.Warn("not everything could be cleaned up; it is tried again later", "error", err)
		}
		if report.TrashDays+report.Tasks+report.Work+report.Objects > 0 {
			c.Log.Info("cleaned up", "trash_days", report.TrashDays, "task_logs", report.Tasks, "leftovers", report.Work, "objects", report.Objects)
		}
		for _, name := range report.Strange {
			if !c.told[name] {
				c.told[name] = true
				c.Log.Warn("not one of ours; left alone", "path", name)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// longAgo is how much later than it should be a clean-up may come.
const longAgo = 2 * 24 * time.Hour

// errLeapt means that the clock may have jumped: originals are not to go years
// early because a machine came up with a wrong date, or somebody set one.
var errLeapt = errors.New("no clean-up is known of the last days: the agent was off or is new, or the clock has jumped")

// leapt tells whether more time than most has passed since the last clean-up,
// and notes this one.
func (c *Cleaner) leapt(most time.Duration) error {
	if c.Clock == "" {
		return nil
	}
	text, err := os.ReadFile(c.Clock)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clean up: %w", err)
	}
	now := c.now().UTC()
	if err := durable.WriteFile(c.Clock, []byte(now.Format(time.RFC3339)), 0o600); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	// What cannot be read is of year 1.
	if last, _ := time.Parse(time.RFC3339, string(text)); now.Sub(last) > most {
		return errLeapt
	}
	return nil
}

// Once cleans up one time. It goes on after errors and returns them all.
func (c *Cleaner) Once(ctx context.Context) (Report, error) {
	var report Report
	var errs []error
	if c.Trash != nil {
		trash, err := c.Trash.Expire(c.TrashKeep)
		report = trash
		// A volume that is away now is cleaned up when it is back.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	var err error
	if c.Bucket != nil {
		if report.Objects, err = c.Bucket(ctx, c.TrashKeep); err != nil {
			errs = append(errs, fmt.Errorf("the trash in the replay storage: %w", err))
		}
	}
	if report.Tasks, err = c.remove(c.TasksDir, &report, func(string) bool { return true }, c.TaskLogKeep); err != nil {
		errs = append(errs, err)
	}
	idle := func(session string) bool { return c.WorkInUse == nil || !c.WorkInUse(session) }
	if report.Work, err = c.remove(c.WorkDir, &report, idle, workAge); err != nil {
		errs = append(errs, err)
	}
	return report, errors.Join(errs...)
}

var sessionName = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// remove deletes the session folders of dir that may go and have not changed
// for keep.
func (c *Cleaner) remove(dir string, report *Report, mayGo func(string) bool, keep time.Duration) (n int, err error) {
	if dir == "" {
		return 0, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("clean up: %w", err)
	}
	var errs []error
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() || !sessionName.MatchString(e.Name()) {
			report.Strange = append(report.Strange, path)
			continue
		}
		if !mayGo(e.Name()) || c.now().Sub(newest(path)) < keep {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			errs = append(errs, fmt.Errorf("clean up: %w", err))
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// newest is the last modification of a folder or anything in it.
func newest(dir string) time.Time {
	var last time.Time
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be looked at does not count
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return nil
	})
	return last
}

func (c *Cleaner) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
