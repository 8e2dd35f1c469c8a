package throttle

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain runs the test binary as a process that is busy for some seconds, or
// sleeps if these are 0, if the environment says so.
func TestMain(m *testing.M) {
	if v, ok := os.LookupEnv("TEST_BUSY_SECONDS"); ok {
		s, _ := strconv.ParseFloat(v, 64)
		if s == 0 {
			time.Sleep(time.Minute) // until the test kills it
		}
		spin(seconds(s))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// spin uses CPU time until d has been used.
func spin(d time.Duration) {
	for began := threadTime(); threadTime()-began < d; {
		for range 1000 {
			_ = strings.Count("spin", "i")
		}
	}
}

func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

type child struct{ *exec.Cmd }

func (c child) pid() string { return strconv.Itoa(c.Process.Pid) }

func busyChild(t *testing.T, seconds string) child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_BUSY_SECONDS="+seconds)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return child{cmd}
}

// TestThisMachineIsReadRight: CPU time of children counts as ours while they run
// and after they have ended, once.
func TestThisMachineIsReadRight(t *testing.T) {
	h := &Host{}
	read := func() Reading {
		t.Helper()
		r, err := h.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := read()
	if before.Cores < 1 || before.Quota <= 0 || before.Quota > before.Cores || before.Busy <= 0 || before.Ours <= 0 {
		t.Fatalf("%+v", before)
	}
	c := busyChild(t, "0.6")
	var peak time.Duration
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for last := before; ; time.Sleep(10 * time.Millisecond) { // the pace of the samples
		r := read()
		if r.Ours < last.Ours-20*time.Millisecond { // ticks of 10 ms, twice
			t.Fatalf("our use fell from %s to %s", last.Ours, r.Ours)
		}
		last = r
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			after := read()
			if used := after.Ours - before.Ours; used < 600*time.Millisecond || used > 1500*time.Millisecond {
				t.Errorf("%s are ours, the child's are 0.6 s", used)
			}
			if peak < 300*time.Millisecond {
				t.Errorf("only %s were seen while the child lived", peak)
			}
			// The kernel measures the host's use by sampling.
			if after.Busy-before.Busy < 300*time.Millisecond {
				t.Errorf("the host was busy for %s only", after.Busy-before.Busy)
			}
			return
		default:
			peak = max(peak, r.Ours-before.Ours)
		}
	}
}

// TestChildrenYield checks the kernel's settings of a child.
func TestChildrenYield(t *testing.T) {
	c := busyChild(t, "0")
	YieldChild(c.Process.Pid)
	attr, err := unix.SchedGetAttr(c.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	if nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, c.Process.Pid); err != nil || 20-nice != 19 {
		t.Errorf("niceness %d, %v", 20-nice, err)
	}
	io, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioWhoProcess, uintptr(c.Process.Pid), 0)
	if errno != 0 || io&^7 != ioIdle {
		t.Errorf("I/O priority %#x, %v", io, errno)
	}
	if attr.Policy != unix.SCHED_IDLE {
		t.Errorf("scheduling policy %d", attr.Policy)
	}
}

// TestThisMachineIsHeldAtTheTarget paces real work on the real processors. The
// machine may have other work: the sum must stay at the target, and our use is
// compared with the budget that the governor had.
func TestThisMachineIsHeldAtTheTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	h := &Host{}
	g := New(Config{Target: 40, Interval: 250 * time.Millisecond}, h)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 3)
	go func() { _ = g.Run(ctx); done <- struct{}{} }()
	for range 2 {
		go func() {
			pace := g.Pacer(time.Now())
			for ctx.Err() == nil {
				began := time.Now()
				for time.Since(began) < 20*time.Millisecond {
					_ = fmt.Sprint(began)
				}
				_ = pace(ctx, time.Since(began))
			}
			done <- struct{}{}
		}()
	}
	defer func() {
		cancel()
		for range 3 {
			<-done
		}
	}()
	own := &Host{} // one that the governor does not use

	time.Sleep(5 * time.Second) // until the governor knows the load
	var ours, budget float64
	for range 3 { // the load of others may change during a measurement
		if ours, budget = watch(t, g, own); ours <= budget+0.1 && ours >= 0.6*budget-0.04 {
			return
		}
	}
	t.Errorf("%.2f processors are ours, the budget was %.2f", ours, budget)
}

// watch measures our use and the mean budget, in processors, for five seconds.
func watch(t *testing.T, g *Governor, own *Host) (ours, budget float64) {
	t.Helper()
	from, err := own.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var budgets mean
	for range 20 {
		time.Sleep(250 * time.Millisecond) // the pace of the samples
		budgets.add(g.Status().Budget / 100 * from.Cores)
	}
	to, err := own.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours = (to.Ours - from.Ours).Seconds() / to.At.Sub(from.At).Seconds()
	t.Logf("%.2f processors are ours, the budget was %.2f of %g; %+v", ours, budgets.value(), from.Cores, g.Status())
	return ours, budgets.value()
}
