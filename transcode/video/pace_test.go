package video

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// TestDecoderFollowsPace checks that the decoder continues when the pace allows it,
// and ends with its context, even while it is stopped.
func TestDecoderFollowsPace(t *testing.T) {
	opt := options(t)
	opt.Width, opt.Height = 640, 480
	times := make([]time.Duration, 60)
	for i := range times {
		times[i] = time.Duration(i) * time.Second
	}
	opt.Duration = times[59] + opt.slot()
	report := encode(t, opt, times...)

	var pauses atomic.Int32
	var pid atomic.Int32
	slow := findTool(t)
	slow.OnStart = func(p int) { pid.Store(int32(p)) }
	slow = slow.WithPace(func(ctx context.Context, worked time.Duration) error {
		if pauses.Add(1) == 1 {
			// A stopped process uses no CPU time.
			stall := &stallDetector{pid: int(pid.Load())}
			stall.progressing()
			used := stall.last
			time.Sleep(300 * time.Millisecond) // in which it would use CPU time
			if !stall.progressing() {
				t.Error("a stopped ffmpeg is taken for stalled")
			}
			if took := stall.last.running - used.running; took > 5*time.Millisecond {
				t.Errorf("ffmpeg used %s of CPU time while it was stopped", took)
			}
		}
		return nil
	})
	report.digest = nil // so that Verify decodes the file
	if err := slow.Verify(t.Context(), opt.Output, report); err != nil {
		t.Fatal(err)
	}
	if pauses.Load() == 0 {
		t.Error("the decoder was never stopped")
	}

	ctx, cancel := context.WithCancel(t.Context())
	blocked := findTool(t).WithPace(func(ctx context.Context, _ time.Duration) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if err := blocked.Verify(ctx, opt.Output, report); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestStarvedProcessIsNotStalled checks that a process is not taken for stalled
// because other processes use the CPU.
func TestStarvedProcessIsNotStalled(t *testing.T) {
	run := func(name string, args ...string) int {
		cmd := exec.Command(name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd.Process.Pid
	}
	busy := run("sh", "-c", "while :; do :; done")
	waittest.Until(t, "the busy process is in state R", func() bool { return strings.Contains(threadStates(busy), "R") })
	// It uses less CPU time than can be measured in hundredths of a second, and is
	// almost always asleep.
	starved := &stallDetector{pid: run("sh", "-c", "while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep 0.1; done")}
	starved.progressing()
	for range 10 {
		time.Sleep(300 * time.Millisecond) // in which it gets CPU time about three times
		if !starved.progressing() {
			t.Error("a starved process is taken for stalled")
		}
	}
	sleeping := run("sleep", "60")
	asleep := &stallDetector{pid: sleeping}
	waittest.Until(t, "a sleeping process is taken for stalled", func() bool { return !asleep.progressing() })
	for range 5 {
		time.Sleep(100 * time.Millisecond) // in which it sleeps on
		if asleep.progressing() {
			t.Error("a sleeping process is not taken for stalled")
		}
	}
	if (&stallDetector{pid: os.Getpid() + 1<<22}).progressing() {
		t.Error("a process that does not exist is not taken for stalled")
	}
}

// TestDiskWaitIsNotStalled checks that a process may wait for a disk, but not for
// minutes.
func TestDiskWaitIsNotStalled(t *testing.T) {
	lower, mountPoint := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(lower, "file"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	disk, err := volumetest.Mount(lower, mountPoint)
	if err != nil {
		t.Skip("needs FUSE: ", err)
	}
	slow := make(chan struct{})
	disk.Set(volumetest.Fault{Op: "open", On: "file", Hang: slow})
	// A shell that has called vfork(2) waits for exec(2) in the same state as for a
	// disk.
	shell := exec.Command("sh", "-c", filepath.Join(mountPoint, "file")+"; :")
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(slow)
		_ = shell.Wait()
		disk.Vanish()
	})
	state := func() string { return threadStates(shell.Process.Pid) }
	waittest.Until(t, "it waits for the disk", func() bool { return state() == "D" }, func() any { return state() })
	p := &stallDetector{pid: shell.Process.Pid}
	p.progressing() // the time before
	p.diskWaits = 0
	for i := range maxDiskWaits + 1 {
		if ok := p.progressing(); ok != (i < maxDiskWaits) {
			t.Errorf("call %d: %v", i+1, ok)
		}
	}
}
