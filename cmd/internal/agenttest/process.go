package agenttest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// Process is a program that is started, stopped and started again. Its methods
// may be called from several goroutines.
type Process struct {
	// Name is what messages call the program.
	Name string
	// Prepare returns the command of the next start.
	Prepare func() *exec.Cmd
	// Output is the file to which the output of all starts is appended.
	Output string

	mu     sync.Mutex
	cmd    *exec.Cmd     // of the last start; guarded by mu
	ended  chan struct{} // closed when cmd has ended; guarded by mu
	wanted bool          // the caller has stopped or killed it; guarded by mu
	strays []string      // unexpected exits; guarded by mu
}

// Start starts the program in its own session, as a service manager does. It is
// killed if the caller dies. Start fails if the program is still running.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("%s is running", p.Name)
	}
	out, err := os.OpenFile(p.Output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := p.Prepare()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.wanted = cmd, ended, false
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.wanted {
			p.strays = append(p.strays, fmt.Sprintf("%s ended unexpectedly: %v", p.Name, err))
		}
		close(ended)
	}()
	return nil
}

// running reports whether the program is running. The caller must hold mu.
func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the running program and does not wait for its effect.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s was not started", p.Name)
	}
	return p.cmd.Process.Signal(sig)
}

// Stop asks the program to end, as a service manager does, and waits until it has
// ended. It fails if the exit code is not 0. It also fails if the program does not
// end within [waittest.Patience], and then kills it. If the program has already ended, its
// exit code decides; if it was never started, Stop succeeds.
func (p *Process) Stop() error {
	if err := p.end(syscall.SIGTERM); err != nil {
		return err
	}
	if code := p.ExitCode(); code > 0 {
		return fmt.Errorf("%s ended with exit code %d", p.Name, code)
	}
	return nil
}

// Kill ends the program with SIGKILL and waits until it has ended.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

func (p *Process) end(sig syscall.Signal) error {
	p.mu.Lock()
	p.wanted = true
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.Name, err)
	}
	return p.await(cmd, ended, "after "+sig.String())
}

// WaitEnd waits until the program ends, or returns at once if it has already ended.
// The exit is then not an unexpected one. After [waittest.Patience] it fails and kills the
// program.
func (p *Process) WaitEnd() error {
	p.mu.Lock()
	if p.cmd != nil && !p.running() && !p.wanted {
		p.strays = p.strays[:len(p.strays)-1]
	}
	p.wanted = true
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	return p.await(cmd, ended, "on its own")
}

func (p *Process) await(cmd *exec.Cmd, ended <-chan struct{}, how string) error {
	select {
	case <-ended:
		return nil
	case <-time.After(waittest.Patience()):
	}
	_ = cmd.Process.Kill() // it may just have ended
	<-ended
	return fmt.Errorf("%s has not ended within %s %s, and was killed", p.Name, waittest.Patience(), how)
}

// ExitCode returns the exit code of the last start. It is -1 while the program is
// running, if a signal ended it, and if it was never started.
func (p *Process) ExitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// PID returns the process id of the last start; 0 if there was none.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Strays describes unexpected exits.
func (p *Process) Strays() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.strays)
}
