package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

const token = "bench"

// site is a development core with the narrowest rate limit, its volume, and
// the agent that sees it through FUSE.
type site struct {
	binary string
	dir    string
	port   int
	core   *devcore.Server
	volume *volumetest.Volume
	agent  *exec.Cmd
}

func newSite(binary string) (*site, error) {
	s := &site{binary: binary}
	var err error
	if s.dir, err = os.MkdirTemp("", "bench-scan-"); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	point := filepath.Join(s.dir, "mounted")
	if err := errors.Join(os.MkdirAll(s.below(), 0o755), os.Mkdir(point, 0o755)); err != nil {
		return nil, err
	}
	if s.volume, err = volumetest.MountCounted(s.below(), point); err != nil {
		return nil, err
	}
	s.core, err = devcore.Start(devcore.Options{Version: "4.10.16", MediaDir: filepath.Join(s.dir, "media"), BootstrapToken: token})
	return s, err
}

// below is the folder that is seen through FUSE.
func (s *site) below() string { return filepath.Join(s.dir, "media", "replay") }

// start runs the agent and begins to measure it.
func (s *site) start(ctx context.Context) (*meter, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "agent.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.agent = exec.Command(s.binary, "agent") //nolint:noctx // ended by stop
	s.agent.Env = append(os.Environ(),
		"NAME=bench", "CORE_HOST="+s.core.URL, "BOOTSTRAP_TOKEN="+token, "BIND_HOST=127.0.0.1", "HTTPD_PORT="+strconv.Itoa(s.port),
		"REPLAY_DIR="+s.volume.Point(), "DATA_DIR="+filepath.Join(s.dir, "data"), "NO_COLOR=1")
	s.agent.Stdout, s.agent.Stderr = log, log
	s.agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := s.agent.Start(); err != nil {
		return nil, err
	}
	m := s.measure()
	healthy := func() bool { return strings.Contains(s.get("/metrics"), "volume_up 1") }
	if err := s.until(ctx, healthy); err != nil {
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("the agent does not begin: %w; it says:\n%s", err, said)
	}
	return m, nil
}

// stop ends the agent as a service manager does.
func (s *site) stop() error {
	if s.agent == nil || s.agent.ProcessState != nil {
		return nil
	}
	if err := s.agent.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.AfterFunc(40*time.Second, func() { _ = s.agent.Process.Kill() })
	defer late.Stop()
	return s.agent.Wait()
}

func (s *site) get(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", s.port, path), nil)
	if err != nil {
		return ""
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// metric adds up the values of all series whose name and labels contain all
// of the words.
func (s *site) metric(words ...string) (sum float64) {
	for line := range strings.Lines(s.get("/metrics")) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(series, w) }) {
			v, _ := strconv.ParseFloat(value, 64)
			sum += v
		}
	}
	return sum
}

// judged is how many recordings have come to an end.
func (s *site) judged() int { return int(s.metric("_tasks{", `state="skipped"`)) }

// swept is when all days had last been looked at.
func (s *site) swept() time.Time {
	return time.UnixMilli(int64(1000 * s.metric("_volume_last_scan_timestamp_seconds{", `scan="all"`)))
}

// until waits for something, for half an hour at most.
func (s *site) until(ctx context.Context, what func() bool) error {
	for end := time.Now().Add(30 * time.Minute); !what(); {
		if time.Now().After(end) {
			return errors.New("not within half an hour")
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// requests tells what core was asked, and refused for being too much.
func (s *site) requests() string {
	counts := map[string]int{}
	for _, r := range s.core.Requests() {
		what := r.Method + " " + r.Path
		if i := strings.Index(what, "/sessions/"); i >= 0 && len(what) > i+len("/sessions/") {
			what = what[:i] + "/sessions/ID" + what[i+len("/sessions/")+36:]
		}
		counts[what]++
		if r.Status == http.StatusTooManyRequests {
			counts["429"]++
		}
	}
	var all []string
	for what, n := range counts {
		all = append(all, fmt.Sprintf("%d × %s", n, what))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// close stops everything and removes what it left.
func (s *site) close() {
	if err := s.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if s.core != nil {
		_ = s.core.Close()
	}
	s.volume.Vanish()
	os.RemoveAll(s.dir)
}
