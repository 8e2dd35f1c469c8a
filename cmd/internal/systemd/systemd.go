// Package systemd tells the service manager how the agent fares: that it is
// ready, what it is doing, that it is alive, that it is about to stop.
// Without a manager that listens (NOTIFY_SOCKET) nothing happens.
//
// # The watchdog
//
// The manager is fed only after a check of the agent has passed, thrice within
// the time that it allows. The check asks what must never stand still and
// touches no volume: a mount that hangs cannot be mended by a restart, and the
// agent says that it is unavailable and goes on with what it can do.
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

// idle is the time between looks at the status when there is no watchdog.
const idle = 10 * time.Second

// Service is what the manager is told of.
type Service struct {
	Ready  <-chan struct{}             // closed when the agent serves
	Status func() string               // what the agent is doing: one line
	Check  func(context.Context) error // what is wrong when a part stands still
	Log    *slog.Logger
}

// Run keeps the manager informed until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if there, err := daemon.SdNotify(false, "STATUS=Starting"); err != nil {
		s.Log.Warn("the service manager cannot be told of anything", "error", err)
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
	s.tell(daemon.SdNotifyStopping, "STATUS=Stopping: tasks in work are put back")
	return nil
}

// beat feeds the watchdog and tells the status until ctx ends.
func (s *Service) beat(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.Log.Warn("the manager's watchdog is not fed: its settings make no sense", "error", err)
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

// feed feeds the watchdog if the agent passes its check in time.
func (s *Service) feed(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := s.Check(ctx); err == nil {
		s.tell(daemon.SdNotifyWatchdog)
	} else if ctx.Err() != context.Canceled { //nolint:errorlint // Err answers the very value
		s.Log.Error("the watchdog is not fed: a part of the agent stands still", "error", err)
	}
}

func (s *Service) tell(states ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(states, "\n")); err != nil {
		s.Log.Debug("the service manager could not be told", "error", err)
	}
}

// line makes a status one line: what follows a line break would be another
// message to the manager. Nor is it more than text: systemctl shows it on
// terminals as it is.
func line(s string) string {
	return terminal.Line(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(s))
}

// Moving makes a check of a loop that must turn at least every so often; last
// tells when it did.
func Moving(name string, every time.Duration, last func() time.Time) func(context.Context) error {
	return func(context.Context) error {
		if ago := time.Since(last()); ago > every {
			return fmt.Errorf("%s: has not turned for %s", name, ago.Round(time.Second))
		}
		return nil
	}
}

// All makes one check of several. Each has a goroutine of its own, so that
// one that waits for a lock for ever keeps nobody from saying so.
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
				return fmt.Errorf("no answer in time: %w", ctx.Err())
			}
		}
		return nil
	}
}
