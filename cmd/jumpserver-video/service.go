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

// stillFor is how long the governor, which iterates twice per second, may take for one
// iteration: on a host that swaps, everything is slow.
const stillFor = 20 * time.Second

// newService returns the agent's connection to systemd. The agent is ready when it serves:
// the host must be able to start although core is down or a volume is missing, and the
// agent waits for them.
func (a *agent) newService() *systemd.Service {
	return &systemd.Service{
		Ready: a.serving, Log: a.log,
		Status: func() string { return statusLine(a.view) },
		Check: systemd.All(
			systemd.Moving("governor", stillFor, a.governor.Turned),
			func(ctx context.Context) error {
				if _, err := a.tasks.List(ctx); !errors.Is(err, queue.ErrUnreached) { // a restart would not make it reachable
					return err
				}
				return nil
			},
			func(ctx context.Context) error { return pingSelf(ctx, a.cfg) },
		),
	}
}

// ownURL returns the URL of the agent's own HTTP server for processes on its host, with a
// slash at the end.
func ownURL(cfg config.Config) string {
	host := cfg.BindHost
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if cfg.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(cfg.Port))) + "/"
}

// pingSelf sends a request to the agent's own HTTP server. It avoids the health endpoint,
// which reads the data folder and can block on a disk that hangs. The status line locks the
// agent's parts; if one of them hangs, the watchdog is not fed either. A spool that hangs
// delays it once, for some seconds.
func pingSelf(ctx context.Context, cfg config.Config) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ownURL(cfg), nil)
	if err != nil {
		return err
	}
	// No proxy, and no verification of the certificate: the server is this process.
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("http server: %w", err)
	}
	return resp.Body.Close()
}

// statusLine returns one line about what the agent is doing, and what is wrong.
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

// doing returns the numbers of tasks by state.
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
