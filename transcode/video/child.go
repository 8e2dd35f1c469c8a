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

// Step is the purpose of an ffmpeg process.
type Step string

// The steps.
const (
	StepEncode Step = "encode" // encodes pictures
	StepSound  Step = "sound"
	StepJoin   Step = "join"   // muxes pictures, sound and all else into one MP4
	StepVerify Step = "verify" // decodes
)

// child is a running ffmpeg. It has its own process group, niceness and minimal
// environment, and is killed when the agent dies. The end of its stderr is kept for
// errors.
type child struct {
	cmd      *exec.Cmd
	stderr   *tailBuffer
	onExit   func(cpu time.Duration)
	cpuLimit time.Duration // CPU time; 0 = no limit
	cancel   context.CancelCauseFunc
	ctx      context.Context
}

// start runs ffmpeg with the options that each call needs; stdin and stdout may be
// nil.
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
		// ffmpeg must reuse the memory of pictures. Otherwise glibc, or mimalloc in the
		// ffmpeg of the packages, returns it to the system, and the system clears it
		// for the next picture.
		"MALLOC_MMAP_THRESHOLD_=67108864", "MALLOC_TRIM_THRESHOLD_=67108864", "MIMALLOC_ALLOW_DECOMMIT=0"}
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
	if c.cpuLimit > 0 { // if this fails, ffmpeg runs without a limit
		limit := uint64(max(c.cpuLimit/time.Second, 1))
		_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: limit, Max: limit}, nil)
	}
	if nice > 0 { // if this fails, ffmpeg runs at normal priority
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, nice)
	}
	if t.OnStart != nil { // it may lower the priority further
		t.OnStart(cmd.Process.Pid)
	}
	return c, nil
}

// startError returns the error for an ffmpeg that did not start. It is [ErrNoFFmpeg]
// if the program is missing or cannot be executed: such tasks are retried until that
// is fixed. Other failures, such as arguments that the system refuses, would not
// change. Their errno is removed, so that it is not mistaken for an error of the
// volume.
func startError(err error) error {
	for _, missing := range []error{syscall.ENOENT, syscall.EACCES, syscall.ENOEXEC, exec.ErrNotFound} {
		if errors.Is(err, missing) {
			return fmt.Errorf("%w: %w", ErrNoFFmpeg, err)
		}
	}
	return fmt.Errorf("%w: %s", errNotStarted, err.Error())
}

// errNotStarted means that ffmpeg exists but could not be started.
var errNotStarted = errors.New("ffmpeg could not be started")

// wait waits for the process. Its error contains the end of ffmpeg's stderr. A full
// disk is syscall.ENOSPC.
func (c *child) wait() error {
	err := c.cmd.Wait()
	c.onExit(c.cpu())
	defer c.cancel(nil)
	stderr := c.stderr.String()
	if cause := context.Cause(c.ctx); errors.Is(cause, errStalled) && stderr != "" {
		return fmt.Errorf("%w; its last output: %s", cause, stderr)
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

// exceededCPULimit reports whether the kernel killed the process because of its CPU
// limit. The kernel measures CPU time for the limit differently from the time that it
// reports, so half the limit is enough here.
func (c *child) exceededCPULimit() bool {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL && c.cpuLimit > 0 && c.cpu() > c.cpuLimit/2
}

// cpu returns the CPU time of the process after it has exited.
func (c *child) cpu() time.Duration {
	if s := c.cmd.ProcessState; s != nil {
		return s.UserTime() + s.SystemTime()
	}
	return 0
}

// tailBuffer keeps the last bytes written to it.
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

// String returns the last lines, joined by semicolons.
func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	return string(bytes.Join(lines, []byte("; ")))
}
