package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

const token = "bench"

// site is a development core and the agent beside it.
type site struct {
	binary string
	target int
	paused bool // nothing is converted
	dir    string
	port   int
	core   *devcore.Server
	agent  *exec.Cmd
}

func newSite(binary string, target int, paused bool) (*site, error) {
	s := &site{binary: binary, target: target, paused: paused}
	var err error
	if s.dir, err = os.MkdirTemp("", "bench-upload-"); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	if err := os.MkdirAll(s.replay(), 0o755); err != nil {
		return nil, err
	}
	s.core, err = devcore.Start(devcore.Options{Version: "4.10.13", MediaDir: filepath.Join(s.dir, "media"), BootstrapToken: token})
	return s, err
}

func (s *site) replay() string { return filepath.Join(s.dir, "media", "replay") }
func (s *site) url() string    { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// session makes one known to core.
func (s *site) session(id string) {
	start, _ := time.Parse(time.DateOnly, day)
	s.core.AddSession(devcore.Session{
		ID: id, User: "Bench(bench)", Asset: "bench", Account: "bench(bench)", Protocol: "rdp", TerminalType: "lion",
		Start: start.Add(9 * time.Hour), End: start.Add(10 * time.Hour), Finished: true,
	})
}

// start runs the agent as a service would and waits until it is healthy.
func (s *site) start(ctx context.Context) error {
	log, err := os.Create(filepath.Join(s.dir, "agent.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.agent = exec.Command(s.binary, "agent") //nolint:noctx // ended by close
	s.agent.Env = append(os.Environ(),
		"NAME=bench", "CORE_HOST="+s.core.URL, "BOOTSTRAP_TOKEN="+token, "BIND_HOST=127.0.0.1", "HTTPD_PORT="+strconv.Itoa(s.port),
		"REPLAY_DIR="+s.replay(), "DATA_DIR="+filepath.Join(s.dir, "data"), "CPU_TARGET="+strconv.Itoa(s.target), "NO_COLOR=1")
	if s.paused { // until tomorrow
		now := time.Now()
		s.agent.Env = append(s.agent.Env, "WORK_HOURS_OTHERWISE=pause",
			"WORK_HOURS="+now.Add(-2*time.Hour).Format("15:04")+"-"+now.Add(-time.Hour).Format("15:04"))
	}
	s.agent.Stdout, s.agent.Stderr = log, log
	s.agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := s.agent.Start(); err != nil {
		return err
	}
	m := newMeter(s)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		probe, cancel := context.WithTimeout(ctx, 2*time.Second)
		m.health(probe)
		cancel()
		if len(m.ill) == 0 && len(m.answers) > 0 {
			return nil
		}
		m = newMeter(s)
	}
	said, _ := os.ReadFile(log.Name())
	return fmt.Errorf("the agent is not healthy; it says:\n%s", said)
}

// waitServed returns when core serves an MP4 of each session.
func (s *site) waitServed(ctx context.Context, ids []string) {
	for _, id := range ids {
		for ctx.Err() == nil {
			if replay, err := s.core.Served(ctx, id); err == nil && replay.Type == "mp4" {
				break
			}
			pause(ctx, time.Second)
		}
	}
}

// close stops the agent and core and removes what they left.
func (s *site) close() {
	if s.agent != nil && s.agent.Process != nil {
		_ = s.agent.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(20*time.Second, func() { _ = s.agent.Process.Kill() })
		var exit *exec.ExitError
		if err := s.agent.Wait(); err != nil && !errors.As(err, &exit) {
			fmt.Fprintln(os.Stderr, err)
		}
		late.Stop()
	}
	if s.core != nil {
		_ = s.core.Close()
	}
	os.RemoveAll(s.dir)
}
