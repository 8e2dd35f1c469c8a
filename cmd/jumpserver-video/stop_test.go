package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestStoppingDoesNotWaitForAVolumeThatHangs(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	hang := make(chan struct{})
	defer close(hang)
	hangs := func() error { <-hang; return nil }
	broken := errors.New("broken")

	stopped, stop := context.WithCancel(t.Context())
	stop()
	failed, fail := context.WithCancelCause(t.Context())
	fail(broken)
	for name, tc := range map[string]struct {
		ctx  context.Context
		wait func() error
		want error
	}{
		"asked to, all stop":        {stopped, func() error { return nil }, nil},
		"asked to, one hangs":       {stopped, hangs, nil},
		"one has failed, one hangs": {failed, hangs, broken},
		"one has failed, all stop":  {failed, func() error { return broken }, broken},
		"all end first":             {t.Context(), func() error { return nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			result := make(chan error, 1)
			go func() { result <- waitStopped(tc.ctx, tc.wait, 50*time.Millisecond, log) }()
			select {
			case err := <-result:
				if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("does not stop")
			}
		})
	}
}

func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	if os.Getenv("SIGNAL_CHILD") != "" {
		ctx, stop := untilSignal()
		defer stop()
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("asked")
		time.Sleep(time.Minute) // a request that hangs
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SIGNAL_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"ready", "asked"} {
		var got string
		if _, err := fmt.Fscanln(out, &got); err != nil || got != word {
			t.Fatalf("%q, %v; want %q", got, err, word)
		}
		time.Sleep(50 * time.Millisecond) // the handler is removed shortly after
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	_ = cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGTERM || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", cmd.ProcessState, time.Since(began))
	}
}
