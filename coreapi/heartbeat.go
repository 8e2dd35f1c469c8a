package coreapi

import (
	"context"
	"math"
	"net/http"
)

// Stat is what a heartbeat reports. Core colours a component by its gauges:
// high above 5, 85 and 80, critical above 20, 95 and 99, and when negative.
type Stat struct {
	Sessions   []string // ids of the component's live sessions; none for a worker
	CPULoad    float64  // one-minute load average per core
	MemoryUsed float64  // percent
	DiskUsed   float64  // percent
}

// TerminalTask is something that core wants done to a live session. They
// address the component that runs the session, so a worker gets none.
type TerminalTask struct {
	ID   string `json:"id"`
	Name string `json:"name"` // kill_session, lock_session, unlock_session
	Args string `json:"args"` // the session's id
}

// Heartbeat reports to core, which shows the component as online for 180 s
// after each.
func (c *Client) Heartbeat(ctx context.Context, s Stat) ([]TerminalTask, error) {
	in := struct {
		Sessions   []string `json:"sessions"` // core insists on a list
		Online     int      `json:"session_online"`
		CPULoad    float64  `json:"cpu_load"`
		MemoryUsed float64  `json:"memory_used"`
		DiskUsed   float64  `json:"disk_used"`
	}{append([]string{}, s.Sessions...), len(s.Sessions), gauge(s.CPULoad), gauge(s.MemoryUsed), gauge(s.DiskUsed)}
	var tasks []TerminalTask
	err := c.do(ctx, call{
		op: "heartbeat", method: http.MethodPost, path: "/api/v1/terminal/terminals/status/",
		in: in, out: &tasks, retries: 1, // the next one is due soon
	})
	return tasks, err
}

// gauge makes a value that core takes and does not show as critical for being
// unknown.
func gauge(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0
	}
	return v
}
