// Package systemd notifies the service manager about the agent: that it is ready,
// what it is doing, that it is alive, that it is stopping. It does nothing if no
// service manager listens (NOTIFY_SOCKET).
//
// # The watchdog
//
// The watchdog is fed only after a check of the agent has passed, three times within
// its timeout. The check covers the parts that must never hang, and accesses no
// volume: a restart cannot fix a mount that hangs. The agent then reports the volume
// as unavailable, and continues with other work.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
)

// idle is the interval between status updates if there is no watchdog.
const idle = 10 * time.Second

// Service is what the service manager is notified about.
type Service struct {
	Ready  <-chan struct{}             // closed when the agent's server accepts requests
	Status func() string               // what the agent is doing: one line
	Check  func(context.Context) error // returns an error if a part of the agent hangs
	Log    *slog.Logger
}

// Run notifies the service manager until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if there, err := daemon.SdNotify(false, "STATUS=Starting"); err != nil {
		s.Log.Warn("cannot notify the service manager", "error", err)
		return nil
	} else if !there {
		return nil
	}
	select {
	case <-s.Ready:
	case <-ctx.Done():
		s.tell(daemon.SdNotifyStopping, "STATUS=Stopping")
		return nil
	}
	s.tell(daemon.SdNotifyReady, "STATUS="+line(s.Status()))
	s.beat(ctx)
	s.tell(daemon.SdNotifyStopping, "STATUS=Stopping: tasks in progress are put back")
	return nil
}

// beat feeds the watchdog and updates the status until ctx ends.
func (s *Service) beat(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.Log.Warn("the watchdog is not fed: WATCHDOG_USEC or WATCHDOG_PID is invalid", "error", err)
	}
	interval := idle
	if within > 0 {
		interval = min(within/3, idle)
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	told := ""
	for {
		if within > 0 {
			s.feed(ctx, interval)
		}
		if now := "STATUS=" + line(s.Status()); now != told {
			s.tell(now)
			told = now
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// feed feeds the watchdog if the agent passes its check within the time.
func (s *Service) feed(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := s.Check(ctx); err == nil {
		s.tell(daemon.SdNotifyWatchdog)
	} else if ctx.Err() != context.Canceled { //nolint:errorlint // Err returns exactly this value
		s.Log.Error("the watchdog is not fed: a part of the agent does not respond", "error", err)
	}
}

func (s *Service) tell(states ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(states, "\n")); err != nil {
		s.Log.Debug("cannot notify the service manager", "error", err)
	}
}

// line makes a status one line without control characters: text after a line break
// would be another message to the service manager, and systemctl prints the status
// on terminals unchanged.
func line(s string) string {
	return terminal.Line(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(s))
}

// Moving returns a check of a loop. It fails if the last iteration, whose time last
// returns, is longer ago than every.
func Moving(name string, every time.Duration, last func() time.Time) func(context.Context) error {
	return func(context.Context) error {
		if ago := time.Since(last()); ago > every {
			return fmt.Errorf("%s: no iteration for %s", name, ago.Round(time.Second))
		}
		return nil
	}
}

// All returns one check that runs several. Each runs in its own goroutine, so that
// the deadline of ctx ends the check even if one of them blocks forever.
func All(checks ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		results := make(chan error, len(checks))
		for _, check := range checks {
			go func() { results <- check(ctx) }()
		}
		for range checks {
			select {
			case err := <-results:
				if err != nil {
					return err
				}
			case <-ctx.Done():
				return fmt.Errorf("a check has not finished in time: %w", ctx.Err())
			}
		}
		return nil
	}
}
