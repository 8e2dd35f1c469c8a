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

// Report says what a clean-up removed.
type Report struct {
	TrashDays int      // days of the trash
	Tasks     int      // task folders
	Work      int      // leftover work folders
	Objects   int      // objects of the trash in a bucket
	Strange   []string // unknown names, which were not touched
}

// Cleaner removes what has expired, when it starts and then every day.
type Cleaner struct {
	TasksDir    string        // a folder per task, with its log
	TaskLogKeep time.Duration // how long a task's folder is kept after its last change; 0 = forever

	WorkDir   string                    // a folder per task in progress
	WorkInUse func(session string) bool // reports whether a task is in progress

	Trash     *Trash        // nil = no volume
	TrashKeep time.Duration // how long the trash keeps originals

	// Bucket, if not nil, removes originals that have been in the trash of a bucket
	// for longer than keep, and returns their number.
	Bucket func(ctx context.Context, keep time.Duration) (int, error)

	// Clock is the file that stores the time of the last clean-up; "" = none. If
	// that is long ago the clock may be wrong, and nothing is removed until the
	// next clean-up.
	Clock string

	Every time.Duration // between two clean-ups (24 h)
	Log   *slog.Logger
	Now   func() time.Time // nil = time.Now

	reported map[string]bool // unknown names that were logged; owned by Run
}

// workAge is how old a work folder must be: a task that has just begun may not be
// known as in progress yet.
const workAge = time.Hour

// Run cleans up until ctx ends.
func (c *Cleaner) Run(ctx context.Context) error {
	every := c.Every
	if every <= 0 {
		every = 24 * time.Hour
	}
	c.reported = map[string]bool{}
	for {
		var report Report
		err := c.checkClock(every + maxLate)
		if err == nil {
			report, err = c.Once(ctx)
		}
		if errors.Is(err, errClockJumped) {
			c.Log.Info("nothing is removed today", "why", err)
		} else if err != nil {
			c.Log.Warn("not everything could be cleaned up; retrying at the next clean-up", "error", err)
		}
		if report.TrashDays+report.Tasks+report.Work+report.Objects > 0 {
			c.Log.Info("cleaned up", "trash_days", report.TrashDays, "task_logs", report.Tasks, "leftovers", report.Work, "objects", report.Objects)
		}
		for _, name := range report.Strange {
			if !c.reported[name] {
				c.reported[name] = true
				c.Log.Warn("unknown name in a folder of ours; it was not touched", "path", name)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// maxLate is how late a clean-up may be.
const maxLate = 2 * 24 * time.Hour

// errClockJumped means that the clock may have jumped. Originals must not be removed
// years early because a machine started with a wrong date, or someone set one.
var errClockJumped = errors.New("there was no clean-up in the last days: the agent was off or is new, or the clock has jumped")

// checkClock returns errClockJumped if more time than limit has passed since the last
// clean-up, and stores the time of this one.
func (c *Cleaner) checkClock(limit time.Duration) error {
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
	// If the file cannot be read, last is in year 1.
	if last, _ := time.Parse(time.RFC3339, string(text)); now.Sub(last) > limit {
		return errClockJumped
	}
	return nil
}

// Once cleans up one time. It continues after errors and returns all of them.
func (c *Cleaner) Once(ctx context.Context) (Report, error) {
	var report Report
	var errs []error
	if c.Trash != nil {
		trash, err := c.Trash.Expire(c.TrashKeep)
		report = trash
		// If the volume is not mounted now, it is cleaned up later.
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
	old := func(string) bool { return c.TaskLogKeep > 0 }
	if report.Tasks, err = c.remove(c.TasksDir, &report, old, c.TaskLogKeep); err != nil {
		errs = append(errs, err)
	}
	idle := func(session string) bool { return c.WorkInUse == nil || !c.WorkInUse(session) }
	if report.Work, err = c.remove(c.WorkDir, &report, idle, workAge); err != nil {
		errs = append(errs, err)
	}
	return report, errors.Join(errs...)
}

var sessionName = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// remove deletes the session folders of dir for which mayGo returns true and that
// have not changed for keep.
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

// newest returns the last modification of a folder or anything in it.
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
