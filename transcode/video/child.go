package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a running ffmpeg: in its own process group, niced, with a minimal
// environment, killed with the agent, its last words kept.
type child struct {
	cmd   *exec.Cmd
	words *tail
	stop  context.CancelCauseFunc
	ctx   context.Context
}

// start runs ffmpeg with what it needs on every call; stdin and stdout may be nil.
func (t *Tool) start(ctx context.Context, nice int, stdin *os.File, stdout io.Writer, args ...string) (*child, error) {
	ctx, stop := context.WithCancelCause(ctx)
	cmd := exec.CommandContext(ctx, t.Path, append([]string{
		"-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "pipe,file",
	}, args...)...)
	c := &child{cmd: cmd, words: &tail{}, stop: stop, ctx: ctx}
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.Stdout, cmd.Stderr = stdout, c.words
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "AV_LOG_FORCE_NOCOLOR=1",
		// A picture's memory is used again for the next one instead of being
		// given back to the system and cleared anew each time.
		"MALLOC_MMAP_THRESHOLD_=67108864", "MALLOC_TRIM_THRESHOLD_=67108864"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		stop(nil)
		return nil, fmt.Errorf("%w: %w", ErrNoFFmpeg, err)
	}
	if nice > 0 { // a refusal is no reason not to work
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, nice)
	}
	if t.Started != nil { // may lower it further
		t.Started(cmd.Process.Pid)
	}
	return c, nil
}

// wait ends with the process. Its error tells why the process failed in its
// own words; a full disk is syscall.ENOSPC.
func (c *child) wait() error {
	err := c.cmd.Wait()
	defer c.stop(nil)
	words := c.words.String()
	if cause := context.Cause(c.ctx); errors.Is(cause, errStalled) && words != "" {
		return fmt.Errorf("%w; it said: %s", cause, words)
	} else if cause != nil {
		return cause
	}
	if err == nil {
		return nil
	}
	if strings.Contains(words, "No space left on device") {
		return fmt.Errorf("ffmpeg: %s: %w", words, syscall.ENOSPC)
	}
	if words == "" {
		return fmt.Errorf("ffmpeg: %w", err)
	}
	return fmt.Errorf("ffmpeg: %w: %s", err, words)
}

// cpu is the processor time that the ended process took.
func (c *child) cpu() time.Duration {
	if s := c.cmd.ProcessState; s != nil {
		return s.UserTime() + s.SystemTime()
	}
	return 0
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

const tailSize = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > tailSize {
		t.buf = t.buf[len(t.buf)-tailSize:]
	}
	return len(b), nil
}

// String is the last lines, joined.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	return string(bytes.Join(lines, []byte("; ")))
}
