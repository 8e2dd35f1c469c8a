package scan

import (
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// meter measures the agent from a point in time on.
type meter struct {
	trial   *trial
	process process.Process
	began   time.Time
	cpu     float64        // CPU seconds before began
	volume  map[string]int // calls by operation; set by print
	old     int            // calls in the folders of all but the recent days, without look-ups; set by print
	looks   int            // look-ups (stat) of these days; set by print
}

// measure begins a measurement.
func (t *trial) measure() *meter {
	t.volume.Counts()
	m := &meter{trial: t, process: process.Process{Pid: int32(t.agent.PID())}, began: time.Now()}
	m.cpu = m.seconds()
	return m
}

// seconds returns the CPU seconds that the agent has used, in user and kernel mode.
func (m *meter) seconds() float64 {
	t, err := m.process.Times()
	if err != nil {
		return 0
	}
	return t.User + t.System
}

// print prints a row of the table, and returns the CPU use in percent of one processor.
func (m *meter) print(what string) (percent float64) {
	wall, used := time.Since(m.began).Seconds(), m.seconds()-m.cpu
	percent = used / wall * 100
	rss := uint64(0)
	if info, err := m.process.MemoryInfo(); err == nil {
		rss = info.RSS
	}
	recent := map[string]bool{}
	for i := range 4 { // from tomorrow, as midnight may pass, to the day before yesterday
		recent[m.began.UTC().AddDate(0, 0, 1-i).Format(time.DateOnly)] = true
	}
	m.volume, m.old, m.looks = map[string]int{}, 0, 0
	for day, calls := range m.trial.volume.Counts() {
		for op, n := range calls {
			m.volume[op] += n
			switch {
			case day == "" || recent[day]:
			case op == "stat":
				m.looks += n
			default:
				m.old += n
			}
		}
	}
	fmt.Printf("%-32s %8.1f %8.2f %8.2f %9d %9d %9d %9d\n", what, wall, used, percent, rss>>20, m.volume["list"], m.volume["stat"], m.volume["read"])
	return percent
}
