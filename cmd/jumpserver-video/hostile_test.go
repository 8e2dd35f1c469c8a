package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

// TestHostileRecordingsAreBounded converts recordings that need too many resources. No
// process of the program or of ffmpeg may use more than 300 MB until there is an MP4 or an
// error. All together may use at most one minute of CPU time. HOSTILE_TESTS=all converts all of
// them (make test-hostile).
func TestHostileRecordingsAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("the program must be measured without the race detector")
	}
	all := map[string]func() string{}
	for name, text := range guactest.Hostile() {
		all["hostile: "+name] = text
	}
	for name, text := range guactest.Tiny() {
		all["tiny: "+name] = func() string { return text }
	}
	for name, text := range guactest.Costly() {
		all["costly: "+name] = text
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if os.Getenv("HOSTILE_TESTS") != "all" && !slices.Contains(few, name) {
			continue
		}
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) { convertHostile(t, all[name]()) })
		delete(all, name)
	}
	if os.Getenv("HOSTILE_TESTS") == "all" && len(all) > 0 {
		t.Errorf("%d were not converted", len(all))
	}
}

// few are those that need most resources, and one of each kind.
var few = []string{
	"tiny: transferred", "tiny: a long idle time", "hostile: a million layers", "hostile: decompression bombs", "hostile: endless nesting",
	"hostile: gigantic buffers", "hostile: invalid base64", "hostile: negative and overflowing numbers", "hostile: pictures that lie about their size",
}

func convertHostile(t *testing.T, text string) {
	in := filepath.Join(t.TempDir(), "hostile.replay.gz")
	stored := compressed(t, text)
	if err := os.WriteFile(in, stored, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints strings.Builder
	cmd := exec.Command("jumpserver-video", "convert", "--json", in)
	cmd.Env, cmd.Stdout, cmd.Stderr = withoutSettings(os.Environ()), &out, &complaints
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, measured := make(chan struct{}), make(chan int)
	go func() { measured <- largest(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	memory := <-measured
	var said struct {
		Code     int `json:"exit_code"`
		Error    string
		Frames   int
		Warnings []string
	}
	if json.Unmarshal([]byte(out.String()), &said) != nil || strings.Contains(complaints.String(), "goroutine ") {
		t.Fatalf("%v: %s%s", err, out.String(), complaints.String())
	}
	const nothingDrawn = 7
	costly := said.Code == exitFailure && strings.Contains(said.Error, guac.ErrTooCostly.Error())
	if err != nil && said.Code != nothingDrawn && !costly || err == nil && said.Frames == 0 {
		t.Errorf("%v: %s", err, out.String())
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(in), "hostile.replay.mp4")); (err == nil) != (said.Frames > 0) {
		t.Errorf("%d frames, and the file: %v", said.Frames, err)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() // including ffmpeg's
	t.Logf("%d bytes, %d kB uncompressed, %d MB, %s of CPU, %s, %d frames, too costly: %v, warnings %q", len(stored), len(text)>>10, memory,
		cpu.Round(10*time.Millisecond), time.Since(start).Round(time.Millisecond), said.Frames, costly, said.Warnings)
	if memory > 400 {
		t.Errorf("it took %d MB", memory)
	}
	if cpu > 2*time.Minute {
		t.Errorf("it took %s", cpu)
	}
}

func compressed(t *testing.T, text string) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write([]byte(text))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// largest returns the largest memory use of a process and its children, in MB, without the
// program itself. (The system's value for an ended process is not useful, because it is at
// least that of the parent at the start.)
func largest(pid int, ended <-chan struct{}) (most int) {
	for {
		pids := []string{strconv.Itoa(pid)}
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, list := range lists {
			children, _ := os.ReadFile(list)
			pids = append(pids, strings.Fields(string(children))...)
		}
		for _, pid := range pids {
			status, _ := os.ReadFile("/proc/" + pid + "/status")
			_, after, _ := strings.Cut(string(status), "RssAnon:")
			var kB int
			_, _ = fmt.Sscan(after, &kB)
			most = max(most, kB>>10)
		}
		select {
		case <-ended:
			return most
		case <-time.After(5 * time.Millisecond):
		}
	}
}
