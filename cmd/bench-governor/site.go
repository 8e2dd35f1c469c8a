package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// sessions and repeats are how much work there is: each session's recording
// is the bundled one over and over.
const (
	sessions = 6
	repeats  = 20
	day      = "2026-11-22"
)

// site is a development core with a replay volume, and the agent beside it.
type site struct {
	binary string
	target int
	dir    string
	core   *devcore.Server
	port   int
	agent  *exec.Cmd
	tasks  *taskapi.Client
	held   []string // sessions that were in work when the host was full
}

func newSite(binary, recording string, target int) (_ *site, err error) {
	s := &site{binary: binary, target: target}
	if s.dir, err = os.MkdirTemp("", "bench-governor-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.core, err = devcore.Start(devcore.Options{Version: "4.10.13", MediaDir: filepath.Join(s.dir, "media"), BootstrapToken: "bench"}); err != nil {
		return nil, err
	}
	parts, err := filepath.Glob(filepath.Join(recording, "*", "*", "*.part.gz"))
	if err != nil || len(parts) == 0 {
		return nil, fmt.Errorf("no recording in parts below %s", recording)
	}
	slices.Sort(parts)
	return s, s.plant(parts)
}

// plant makes the recordings. They share their files by hard links.
func (s *site) plant(parts []string) error {
	start, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	var first string
	for n := range sessions {
		id := fmt.Sprintf("be7c4000-0000-4000-8000-%012d", n)
		dir := filepath.Join(s.dir, "media", "replay", day, id)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		var files []string
		for i := range repeats * len(parts) {
			name := fmt.Sprintf("%s.%d.part.gz", id, i)
			files = append(files, fmt.Sprintf(`{"name":%q}`, name))
			to := filepath.Join(dir, name)
			if first == "" {
				err = shift(parts[i%len(parts)], to, time.Duration(i/len(parts))*time.Minute)
			} else {
				err = os.Link(filepath.Join(filepath.Dir(dir), first, fmt.Sprintf("%s.%d.part.gz", first, i)), to)
			}
			if err != nil {
				return err
			}
		}
		if first == "" {
			first = id
		}
		index := fmt.Sprintf(`{"id":%q,"type":"guacamole","files":[%s]}`, id, strings.Join(files, ","))
		if err := os.WriteFile(filepath.Join(dir, id+".replay.json"), []byte(index), 0o644); err != nil {
			return err
		}
		s.core.AddSession(devcore.Session{
			ID: id, User: "Bench(bench)", Asset: "bench", Account: "bench(bench)", Protocol: "rdp", TerminalType: "lion",
			Start: start.Add(9 * time.Hour), End: start.Add(10 * time.Hour), Finished: true, HasReplay: true,
		})
	}
	return nil
}

var syncs = regexp.MustCompile(`4\.sync,(\d+)\.(\d+)`)

// shift copies a part with all its times moved.
func shift(from, to string, by time.Duration) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		return err
	}
	data = syncs.ReplaceAllFunc(data, func(m []byte) []byte {
		at, _ := strconv.ParseInt(string(m[bytes.LastIndexByte(m, '.')+1:]), 10, 64)
		text := strconv.FormatInt(at+by.Milliseconds(), 10)
		return fmt.Appendf(nil, "4.sync,%d.%s", len(text), text)
	})
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	packed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := packed.Write(data); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return out.Close()
}

// startAgent runs the agent as a service would, in a session of its own.
func (s *site) startAgent(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	log, err := os.Create(filepath.Join(s.dir, "agent.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.agent = exec.Command(s.binary, "agent") //nolint:noctx // ended by close
	s.agent.Env = append(os.Environ(),
		"NAME=bench", "CORE_HOST="+s.core.URL, "BOOTSTRAP_TOKEN=bench", "BIND_HOST=127.0.0.1", "HTTPD_PORT="+strconv.Itoa(s.port),
		"REPLAY_DIR="+filepath.Join(s.dir, "media", "replay"), "DATA_DIR="+filepath.Join(s.dir, "data"),
		"CPU_TARGET="+strconv.Itoa(s.target), "SETTLE_TIME=1s", "SCAN_INTERVAL=1s", "WORK_HOURS=", "NO_COLOR=1")
	s.agent.Stdout, s.agent.Stderr = log, log
	s.agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	s.tasks = taskapi.Local("127.0.0.1", s.port, "", "")
	return s.agent.Start()
}

// waitRendering returns when a task draws.
func (s *site) waitRendering(ctx context.Context) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if len(s.rendering(ctx)) > 0 {
			return nil
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "agent.log"))
	return fmt.Errorf("no task began within a minute; the agent says:\n%s", log)
}

func (s *site) rendering(ctx context.Context) (ids []string) {
	views, _ := s.tasks.Tasks(ctx)
	for _, v := range views {
		if v.State == queue.StateRendering || v.State == queue.StateVerifying {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// noteHeld notes which tasks are in work.
func (s *site) noteHeld(ctx context.Context) { s.held = s.rendering(ctx) }

// endHeld waits until the tasks that were noted have ended. A task that lost
// its lease or failed shows in its attempts.
func (s *site) endHeld(ctx context.Context, patience time.Duration) error {
	if len(s.held) == 0 {
		return fmt.Errorf("no task was in work")
	}
	open := slices.Clone(s.held)
	for end := time.Now().Add(patience); len(open) > 0; time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("%d of %d have not ended", len(open), len(s.held))
		}
		var failed error
		open = slices.DeleteFunc(open, func(id string) bool {
			v, err := s.tasks.Task(ctx, id)
			if err == nil && failed == nil {
				failed = unlucky(v)
			}
			return err == nil && v.State == queue.StateDone
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

func unlucky(v task.View) error {
	if v.Attempt > 0 || v.State == queue.StateFailed || v.State == queue.StateSkipped {
		return fmt.Errorf("%s is %s after %d attempts: %s", v.ID, v.State, v.Attempt, v.Error)
	}
	return nil
}

// answers measures how long the agent's health takes to be told.
func (s *site) answers(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/video-worker/health/", s.port), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return time.Since(began), err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("health: %s", resp.Status)
	}
	return time.Since(began), err
}

// close stops the agent and core and removes what they left.
func (s *site) close() {
	if s.agent != nil && s.agent.Process != nil {
		_ = s.agent.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(20*time.Second, func() { _ = s.agent.Process.Kill() })
		_ = s.agent.Wait()
		late.Stop()
	}
	if s.core != nil {
		_ = s.core.Close()
	}
	os.RemoveAll(s.dir)
}
