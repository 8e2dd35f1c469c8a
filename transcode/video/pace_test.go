package video

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestVerifyingIsHeldUp: the decoder goes on when the pace says so, and ends
// when the task does, stopped or not.
func TestVerifyingIsHeldUp(t *testing.T) {
	opt := options(t)
	opt.Width, opt.Height = 640, 480
	times := make([]time.Duration, 60)
	for i := range times {
		times[i] = time.Duration(i) * time.Second
	}
	opt.Duration = times[59] + opt.slot()
	report := encode(t, opt, times...)

	var rests atomic.Int32
	var pid atomic.Int32
	slow := tool(t)
	slow.Started = func(p int) { pid.Store(int32(p)) }
	slow = slow.Paced(func(ctx context.Context, worked time.Duration) error {
		if rests.Add(1) == 1 {
			// Stopped, it uses nothing: not a jiffy.
			alive := &pulse{pid: int(pid.Load())}
			alive.beats()
			used := alive.last
			time.Sleep(300 * time.Millisecond)
			if !alive.beats() {
				t.Error("a stopped ffmpeg is taken for one that hangs")
			}
			if alive.last != used {
				t.Errorf("ffmpeg used %v s while it rested", alive.last-used)
			}
		}
		return nil
	})
	report.proof = nil // decode it
	if err := slow.Verify(t.Context(), opt.Output, report); err != nil {
		t.Fatal(err)
	}
	if rests.Load() == 0 {
		t.Error("the decoder never rested")
	}

	ctx, cancel := context.WithCancel(t.Context())
	stuck := tool(t).Paced(func(ctx context.Context, _ time.Duration) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if err := stuck.Verify(ctx, opt.Output, report); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestWhoeverWantsTimeIsNotStalled: a process that others starve is not one
// that hangs.
func TestWhoeverWantsTimeIsNotStalled(t *testing.T) {
	run := func(name string, args ...string) int {
		cmd := exec.Command(name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd.Process.Pid
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	busy := run("sh", "-c", "while :; do :; done")
	until("a busy process does not want time", func() bool { return wantsTime(busy) })
	waits := run("sleep", "60")
	until("a sleeping process wants time", func() bool { return !wantsTime(waits) })
	if wantsTime(os.Getpid() + 1<<22) {
		t.Error("a process that does not exist wants time")
	}
}
