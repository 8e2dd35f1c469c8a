package governor

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// The amount of work: the number of sessions, and how often the recording of each
// repeats the bundled one. day is the day of the sessions.
const (
	sessions = 16
	repeats  = 20
	day      = "2026-11-22"
)

// plant writes the recordings of all sessions to the agent's volume, and makes the
// sessions known to core. The recordings repeat the one in a folder. Those after the
// first are hard links to its files.
func plant(a *agenttest.Agent, recording string) error {
	parts, err := filepath.Glob(filepath.Join(recording, "*", "*", "*.part.gz"))
	if err != nil || len(parts) == 0 {
		return fmt.Errorf("there is no recording in parts below %s; --recording must be a replay folder with one", recording)
	}
	slices.Sort(parts)
	start, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	var first string
	for n := range sessions {
		id := fmt.Sprintf("be7c4000-0000-4000-8000-%012d", n)
		dir := filepath.Join(a.Replay(), day, id)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		var files []string
		for i := range repeats * len(parts) {
			name := fmt.Sprintf("%s.%d.part.gz", id, i)
			files = append(files, fmt.Sprintf(`{"name":%q}`, name))
			to := filepath.Join(dir, name)
			if first == "" {
				err = shift(parts[i%len(parts)], to, time.Duration(i/len(parts))*time.Minute)
			} else {
				err = os.Link(filepath.Join(filepath.Dir(dir), first, fmt.Sprintf("%s.%d.part.gz", first, i)), to)
			}
			if err != nil {
				return err
			}
		}
		if first == "" {
			first = id
		}
		index := fmt.Sprintf(`{"id":%q,"type":"guacamole","files":[%s]}`, id, strings.Join(files, ","))
		if err := os.WriteFile(filepath.Join(dir, id+".replay.json"), []byte(index), 0o644); err != nil {
			return err
		}
		a.Core.AddSession(devcore.Session{
			ID: id, User: "Bench(bench)", Asset: "bench", Account: "bench(bench)", Protocol: "rdp", TerminalType: "lion",
			Start: start.Add(9 * time.Hour), End: start.Add(10 * time.Hour), Finished: true, HasReplay: true,
		})
	}
	return nil
}

var syncs = regexp.MustCompile(`4\.sync,(\d+)\.(\d+)`)

// shift copies a part, and adds a duration to the timestamps of its syncs.
func shift(from, to string, by time.Duration) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		return err
	}
	data = syncs.ReplaceAllFunc(data, func(m []byte) []byte {
		at, _ := strconv.ParseInt(string(m[bytes.LastIndexByte(m, '.')+1:]), 10, 64)
		text := strconv.FormatInt(at+by.Milliseconds(), 10)
		return fmt.Appendf(nil, "4.sync,%d.%s", len(text), text)
	})
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	packed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := packed.Write(data); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return out.Close()
}
