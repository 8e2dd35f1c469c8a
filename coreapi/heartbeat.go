package coreapi

import (
	"context"
	"math"
	"net/http"
)

// Stat is what a heartbeat reports. Core marks a component as high when load,
// memory or disk are above 5, 85 or 80. It marks it as critical above 20, 95 or 99,
// and for negative values.
type Stat struct {
	Sessions   []string // ids of the component's live sessions; a worker has none
	CPULoad    float64  // one-minute load average per core
	MemoryUsed float64  // percent
	DiskUsed   float64  // percent
}

// TerminalTask is a command of core about a live session. Core sends it to the
// component that runs the session, so a worker gets none.
type TerminalTask struct {
	ID   string `json:"id"`
	Name string `json:"name"` // kill_session, lock_session, unlock_session
	Args string `json:"args"` // the session's id
}

// Heartbeat reports to core, which shows the component as online for 180 s
// after each.
func (c *Client) Heartbeat(ctx context.Context, s Stat) ([]TerminalTask, error) {
	in := struct {
		Sessions   []string `json:"sessions"` // core requires a list
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

// gauge returns a value that core accepts: 0 for an unknown one, which core would
// show as critical otherwise.
func gauge(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0
	}
	return v
}
