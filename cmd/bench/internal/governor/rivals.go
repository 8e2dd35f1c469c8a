package governor

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// competeCommand is the subcommand that makes this program a competitor. startRivals
// runs it.
const competeCommand = "compete"

// compete uses one processor fully. About every 50 ms, it prints the units of work
// done so far. It ends when its output is closed.
func compete() {
	block := make([]byte, 64<<10)
	units, sum := 0, uint32(0)
	for shown := time.Now(); ; units++ {
		sum = crc32.Update(sum, crc32.IEEETable, block)
		if time.Since(shown) > 50*time.Millisecond {
			shown = time.Now()
			if _, err := fmt.Println(units); err != nil {
				return
			}
		}
	}
}

// rivals are processes of ordinary priority that compete with the agent.
type rivals struct {
	cmds []*exec.Cmd
	done []atomic.Int64 // units of work of each process
	wg   sync.WaitGroup
}

// startRivals starts n competitors.
func startRivals(n int) (*rivals, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &rivals{done: make([]atomic.Int64, n)}
	for i := range n {
		cmd := exec.Command(self, "governor", competeCommand) //nolint:noctx // ended by stop
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			r.stop()
			return nil, err
		}
		r.cmds = append(r.cmds, cmd)
		r.wg.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if units, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
					r.done[i].Store(units)
				}
			}
		})
	}
	return r, nil
}

// units returns the units of work that all have done.
func (r *rivals) units() float64 {
	var sum int64
	for i := range r.done {
		sum += r.done[i].Load()
	}
	return float64(sum)
}

// pids returns the process ids.
func (r *rivals) pids() []int {
	var pids []int
	for _, c := range r.cmds {
		pids = append(pids, c.Process.Pid)
	}
	return pids
}

// stop kills all, and waits until they have ended.
func (r *rivals) stop() {
	for _, c := range r.cmds {
		_ = c.Process.Kill()
	}
	r.wg.Wait()
	for _, c := range r.cmds {
		_ = c.Wait()
	}
}
