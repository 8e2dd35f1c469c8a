package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/systemd"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// stillFor is how long the governor, which turns twice a second, may stand
// still: a host that swaps makes everyone slow.
const stillFor = 20 * time.Second

// newService is the agent as systemd sees it. It is ready when it serves: a
// core that is down, or a volume that is not there yet, must not keep the
// host from starting, and the agent waits for them by itself.
func (a *agent) newService() *systemd.Service {
	return &systemd.Service{
		Ready: a.serving, Log: a.log,
		Status: func() string { return statusLine(a.view) },
		Check: systemd.All(
			systemd.Moving("governor", stillFor, a.governor.Turned),
			func(ctx context.Context) error {
				if _, err := a.tasks.List(ctx); !errors.Is(err, queue.ErrUnreached) { // a restart would not bring it
					return err
				}
				return nil
			},
			func(ctx context.Context) error { return pingSelf(ctx, a.cfg) },
		),
	}
}

// pingSelf sends a request to the agent's own HTTP server. It leaves the health
// endpoint alone, which reads the data folder and can block on a disk that
// hangs. What the status line asks of the parts passes through their locks;
// where that hangs, the watchdog is not fed either. A spool that hangs holds it
// up for some seconds, once.
func pingSelf(ctx context.Context, cfg config.Config) error {
	host := cfg.BindHost
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if cfg.TLSCert != "" {
		scheme = "https"
	}
	url := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(cfg.Port))) + "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// No proxy, and no name to check: it is this process.
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("http server: %w", err)
	}
	return resp.Body.Close()
}

// statusLine says in one line what the agent is doing, and what is wrong.
func statusLine(v *agentView) string {
	line := v.doing()
	if g := v.governor.Status(); !g.Inside {
		line += fmt.Sprintf("; outside of WORK_HOURS=%s: %s", g.Hours, g.Outside)
	}
	conditions := v.conditions()
	if core := conditions.Of(health.Core); !core.OK {
		line = "waiting for core: " + cmp.Or(core.Detail, "not registered yet") + "; " + line
	} else if core.Detail != "" {
		line += "; core: " + core.Detail
	}
	for _, c := range conditions.Failing() {
		if c.Part != health.Core {
			line += "; " + c.String()
		}
	}
	return line
}

// doing counts the tasks by what is done about them.
func (v *agentView) doing() string {
	tasks, err := v.tasks.List(context.Background())
	switch {
	case errors.Is(err, queue.ErrClosed):
		return "Stopping"
	case err != nil:
		return "waiting for the queue"
	}
	count := map[queue.State]int{}
	for _, t := range tasks {
		count[t.State]++
	}
	var parts []string
	for _, state := range []queue.State{
		queue.StateRendering, queue.StateVerifying, queue.StateUploading, queue.StateConfirming, queue.StateRetiring,
		queue.StateQueued, queue.StateRetrying, queue.StateFailed, queue.StateDone,
	} {
		if n := count[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if n := len(v.settling()) + count[queue.StateSettling]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d settling", n))
	}
	if len(parts) == 0 {
		return "waiting for recordings"
	}
	return strings.Join(parts, ", ")
}
