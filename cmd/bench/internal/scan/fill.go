package scan

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// fill writes files to the volume, as on a site whose recordings have all been
// processed: videos, recordings of terminals, and core's downloads of them. Some
// recordings of terminals are in an old format, with names like those of graphical
// sessions. fill returns the number of these.
func (t *trial) fill() (originals int, err error) {
	var terminal bytes.Buffer
	z := gzip.NewWriter(&terminal)
	if _, err := fmt.Fprintf(z, "{%q:%q}", "0.1", fmt.Sprintf("%02048x", 1)); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	yesterday := time.Now().UTC().Add(-24 * time.Hour)
	for d := range t.days {
		day := time.Now().UTC().AddDate(0, 0, -d)
		folder := filepath.Join(t.agent.Replay(), day.Format(time.DateOnly))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return 0, err
		}
		old := day
		if old.After(yesterday) {
			old = yesterday
		}
		for n := d; n < t.files; n += t.days {
			id := fmt.Sprintf("be7c5000-0000-4000-8000-%012d", n)
			suffix, content := ".cast.gz", []byte("cast")
			switch k := n / t.days; {
			case k%t.originals == 0:
				suffix, content = ".replay.gz", terminal.Bytes()
				originals++
				t.agent.Core.AddSession(devcore.Session{
					ID: id, Protocol: "ssh", TerminalType: "koko", Start: day, End: day, Finished: true,
				})
			case k%2 == 0:
				suffix, content = ".replay.mp4", []byte("video")
			case k%15 == 1:
				suffix, content = ".json", []byte("{}")
			}
			file := filepath.Join(folder, id+suffix)
			if err := os.WriteFile(file, content, 0o644); err != nil {
				return 0, err
			}
			if err := os.Chtimes(file, old, old); err != nil {
				return 0, err
			}
		}
		if err := os.Chtimes(folder, old, old); err != nil {
			return 0, err
		}
	}
	return originals, nil
}
