package convert

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// converted is what `convert --json` prints, and the memory that it needed.
type converted struct {
	Duration int64   `json:"duration_ms"`
	BytesIn  int64   `json:"bytes_in"`
	BytesOut int64   `json:"bytes_out"`
	CPU      float64 `json:"cpu_seconds"`
	Wall     float64 `json:"wall_seconds"`
	peak     float64 // bytes, of the process and its children together; 0 = not measured
}

// name returns the name of a recording in the table: the folder above v3 or v4, or
// the name of the file if there is no such folder.
func name(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	for i, p := range parts {
		if i > 0 && (p == "v3" || p == "v4") {
			return parts[i-1]
		}
	}
	return filepath.Base(path)
}

// unit measures how many CPU seconds one unit is at present.
func (m *measurement) unit(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, m.tool.Path, "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25",
		"-frames:v", "250", "-c:v", "libx264", "-preset", "medium", "-threads", "1", "-f", "null", "-")
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("measure a unit: %w", err)
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// convert runs the program as a user does. With look, it also measures the peak
// memory. Wall times of such runs must not be used, because this measurement slows
// the program down.
func (m *measurement) convert(ctx context.Context, path string, look bool) (converted, error) {
	args := []string{"convert", "--json", "-f", path, "-o", m.mp4(path)}
	if m.ffmpeg != "" {
		args = append(args, "--ffmpeg", m.ffmpeg)
	}
	cmd := exec.CommandContext(ctx, m.binary, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return converted{}, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return converted{}, err
	}
	peak := make(chan float64, 1)
	done := make(chan struct{})
	if look {
		go func() { peak <- watch(cmd.Process.Pid, done) }()
	} else {
		peak <- 0
	}
	var c converted
	decoded := json.NewDecoder(out).Decode(&c)
	err = cmd.Wait()
	close(done)
	c.peak = <-peak
	if err != nil {
		return c, fmt.Errorf("convert: %w", err)
	}
	return c, decoded
}

func (m *measurement) mp4(path string) string { return filepath.Join(m.work, name(path)+".mp4") }

// watch returns the peak memory of a process and its children together, in bytes. It
// reads the memory every 50 ms until done is closed.
func watch(pid int, done <-chan struct{}) float64 {
	var peak float64
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		peak = max(peak, resident(int32(pid)))
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// resident returns the memory of a process and its children in bytes, as
// proportional set size. A process that has ended counts 0.
func resident(pid int32) float64 {
	p := process.Process{Pid: pid}
	var sum float64
	if maps, err := p.MemoryMaps(true); err == nil {
		for _, m := range *maps {
			sum += 1024 * float64(m.Pss) // shared memory is counted only once in the sum
		}
	}
	if children, err := p.Children(); err == nil {
		for _, c := range children {
			sum += resident(c.Pid)
		}
	}
	return sum
}
