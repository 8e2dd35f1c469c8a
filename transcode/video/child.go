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

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup/bare"
)

// Step is what an ffmpeg is started for.
type Step string

// The steps.
const (
	StepEncode Step = "encode" // pictures
	StepSound  Step = "sound"
	StepJoin   Step = "join"   // pictures, sound and all else to one MP4
	StepVerify Step = "verify" // decodes
)

// child is a running ffmpeg: in its own process group, niced, with a minimal
// environment, killed with the agent, its last words kept.
type child struct {
	cmd      *exec.Cmd
	stderr   *tailBuffer
	onExit   func(cpu time.Duration)
	cpuLimit time.Duration // of the processor; 0 = any amount
	cancel   context.CancelCauseFunc
	ctx      context.Context
}

// start runs ffmpeg with what it needs on every call; stdin and stdout may be nil.
func (t *Tool) start(ctx context.Context, step Step, nice int, stdin *os.File, stdout io.Writer, args ...string) (*child, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	cmd := exec.CommandContext(ctx, t.Path, append([]string{
		"-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "pipe,file",
	}, args...)...)
	c := &child{cmd: cmd, stderr: &tailBuffer{}, onExit: func(time.Duration) {}, cpuLimit: t.cpuLimit, cancel: cancel, ctx: ctx}
	if t.OnExit != nil {
		c.onExit = func(cpu time.Duration) { t.OnExit(step, cpu) }
	}
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.Stdout, cmd.Stderr = stdout, c.stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "AV_LOG_FORCE_NOCOLOR=1",
		// A picture's memory is used again for the next one instead of being
		// given back to the system and cleared anew each time.
		"MALLOC_MMAP_THRESHOLD_=67108864", "MALLOC_TRIM_THRESHOLD_=67108864"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := bare.Start(cmd); err != nil {
		cause := context.Cause(ctx)
		if cancel(nil); cause != nil {
			return nil, cause
		}
		return nil, startError(err)
	}
	if c.cpuLimit > 0 { // a refusal leaves what encodes no more than it is given
		limit := uint64(max(c.cpuLimit/time.Second, 1))
		_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: limit, Max: limit}, nil)
	}
	if nice > 0 { // a refusal is no reason not to work
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, nice)
	}
	if t.OnStart != nil { // may lower it further
		t.OnStart(cmd.Process.Pid)
	}
	return c, nil
}

// notStarted is the error about an ffmpeg that did not start. Only what makes a
// program missing or unfit is [ErrNoFFmpeg], which is waited for to be mended.
// Anything else, such as arguments that the system does not take, would stay so
// for ever; its number says nothing about the volume or its disks.
func startError(err error) error {
	for _, missing := range []error{syscall.ENOENT, syscall.EACCES, syscall.ENOEXEC, exec.ErrNotFound} {
		if errors.Is(err, missing) {
			return fmt.Errorf("%w: %w", ErrNoFFmpeg, err)
		}
	}
	return fmt.Errorf("%w: %s", errNotStarted, err.Error())
}

// errNotStarted says that there is an ffmpeg, and that it could not be started.
var errNotStarted = errors.New("ffmpeg could not be started")

// wait ends with the process. Its error tells why the process failed in its
// own words; a full disk is syscall.ENOSPC.
func (c *child) wait() error {
	err := c.cmd.Wait()
	c.onExit(c.cpu())
	defer c.cancel(nil)
	stderr := c.stderr.String()
	if cause := context.Cause(c.ctx); errors.Is(cause, errStalled) && stderr != "" {
		return fmt.Errorf("%w; it said: %s", cause, stderr)
	} else if cause != nil {
		return cause
	}
	if err == nil {
		return nil
	}
	if c.exceededCPULimit() {
		return fmt.Errorf("%w: more than %s", ErrCPULimit, c.cpuLimit.Round(time.Second))
	}
	if strings.Contains(stderr, "No space left on device") {
		return fmt.Errorf("ffmpeg: %s: %w", stderr, syscall.ENOSPC)
	}
	if stderr == "" {
		return fmt.Errorf("ffmpeg: %w", err)
	}
	return fmt.Errorf("ffmpeg: %w: %s", err, stderr)
}

// tookTooMuch reports whether the kernel has ended the process for the time that
// it took. It bounds what it has sampled by the tick, which is more or less than
// what it tells.
func (c *child) exceededCPULimit() bool {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL && c.cpuLimit > 0 && c.cpu() > c.cpuLimit/2
}

// cpu is the processor time that the ended process took.
func (c *child) cpu() time.Duration {
	if s := c.cmd.ProcessState; s != nil {
		return s.UserTime() + s.SystemTime()
	}
	return 0
}

// tail keeps the end of what is written to it.
type tailBuffer struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

const tailSize = 4 << 10

func (t *tailBuffer) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > tailSize {
		t.buf = t.buf[len(t.buf)-tailSize:]
	}
	return len(b), nil
}

// String is the last lines, joined.
func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	return string(bytes.Join(lines, []byte("; ")))
}
