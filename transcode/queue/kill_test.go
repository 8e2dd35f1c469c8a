package queue

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain runs the test binary as a process that works on a queue if TEST_QUEUE_DIR is
// set: only another process can be killed with SIGKILL.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_QUEUE_DIR"); dir != "" {
		if err := queueProcess(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// queueProcess submits tasks and works on them until it is killed, and prints what the
// queue has acknowledged.
func queueProcess(dir string) error {
	ctx := context.Background()
	q, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	go func() {
		for {
			l, err := q.Lease(ctx)
			if err != nil {
				return
			}
			name := l.Task().ID
			_ = l.Update(func(t *Task) { t.State = StateRendering })
			if l.Release(done) == nil {
				fmt.Println("done", name)
			}
		}
	}()
	for n := os.Getpid() << 12; ; n++ {
		if _, _, err := q.Submit(ctx, Task{ID: id(n & 0xffffffff), Fingerprint: "x"}); err != nil {
			return err
		}
		fmt.Println("submitted", id(n&0xffffffff))
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // so that kills come at different moments
	}
}

// TestNothingAcknowledgedIsLostWhenKilled kills processes with SIGKILL at random
// moments.
func TestNothingAcknowledgedIsLostWhenKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	submitted, finished := map[string]bool{}, map[string]bool{}
	for range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TEST_QUEUE_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := 1 + rand.IntN(30)
		for lines, n := bufio.NewScanner(out), 0; lines.Scan(); {
			word, name, _ := strings.Cut(lines.Text(), " ")
			switch word {
			case "submitted":
				submitted[name] = true
			case "done":
				finished[name] = true
			default:
				t.Fatal(lines.Text())
			}
			if n++; n == stop {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
	}
	if len(submitted) < 50 {
		t.Fatalf("only %d tasks were submitted", len(submitted))
	}
	q := open(t, Options{Dir: dir})
	tasks, err := q.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state := map[string]State{}
	open := 0
	for _, task := range tasks {
		state[task.ID] = task.State
		if task.State != StateDone {
			open++
		}
	}
	for name := range submitted {
		if state[name] == "" {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	for name := range finished {
		if state[name] != StateDone {
			t.Errorf("%s was done and is %q", name, state[name])
		}
	}
	for range open {
		release(t, lease(t, q), done)
	}
	idle(t, q)
	t.Logf("%d submitted, %d done before the end, %d left for the next process", len(submitted), len(finished), open)
}
