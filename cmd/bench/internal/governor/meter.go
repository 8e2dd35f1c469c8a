package governor

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
)

// point is the CPU use since the previous point, in percent of the host.
type point struct {
	at                   time.Time
	ours, rivals, others float64
}

// mean returns the averages of points. Its at is zero.
func mean(points []point) point {
	var sum point
	n := float64(max(len(points), 1))
	for _, p := range points {
		sum.ours += p.ours / n
		sum.rivals += p.rivals / n
		sum.others += p.others / n
	}
	return sum
}

// meter measures the CPU use of the host from outside the agent.
type meter struct {
	cores  int
	agent  int // process id; 0 = none
	points []point

	at                 time.Time
	busy, ours, rivals float64 // CPU seconds so far
	pids               []int
}

func newMeter() *meter {
	m := &meter{cores: runtime.NumCPU()}
	m.read()
	return m
}

// read reads the counters of the host, the agent and the competitors.
func (m *meter) read() {
	m.at = time.Now()
	if t, err := cpu.Times(false); err == nil {
		m.busy = t[0].User + t[0].Nice + t[0].System + t[0].Irq + t[0].Softirq + t[0].Steal
	}
	m.ours, m.rivals = 0, 0
	if m.agent != 0 {
		m.ours = tree(m.agent)
	}
	for _, pid := range m.pids {
		m.rivals += tree(pid)
	}
}

// sample reads the counters, and adds a point for the time since they were last read.
// rivals are the process ids of the competitors. If they have changed, it adds no
// point: the counters cannot be compared with the previous ones.
func (m *meter) sample(rivals []int) {
	before := *m
	fresh := fmt.Sprint(rivals) != fmt.Sprint(m.pids)
	m.pids = rivals
	m.read()
	if fresh {
		return
	}
	part := 100 / (m.at.Sub(before.at).Seconds() * float64(m.cores))
	p := point{at: m.at, ours: max(0, m.ours-before.ours) * part, rivals: max(0, m.rivals-before.rivals) * part}
	p.others = max(0, (m.busy-before.busy)*part-p.ours-p.rivals)
	m.points = append(m.points, p)
}

// tree returns the CPU seconds of a process and its descendants, including those that
// have ended. It returns 0 if the process does not exist.
func tree(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// Fields 14 to 17 are the CPU time of the process and of its ended children,
	// in ticks of 10 ms (proc_pid_stat(5)). The name, field 2, may contain any
	// character, so counting begins after its closing parenthesis.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	total := 0.0
	for i := 11; i < 15 && i < len(fields); i++ {
		n, _ := strconv.ParseFloat(fields[i], 64)
		total += n / 100
	}
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for child := range strings.FieldsSeq(string(list)) {
			if n, err := strconv.Atoi(child); err == nil {
				total += tree(n)
			}
		}
	}
	return total
}
