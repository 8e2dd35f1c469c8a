// Command devcore simulates a JumpServer for the tests of packages and images. It
// is a development core with one recording on its replay volume. It exits with
// status 0 when core serves that recording as an MP4 and the original is no longer
// in its place; an agent must do this.
//
// With -lion it has no recording but a Lion, which uploads one to the agent for
// each session id on standard input. It prints "served ID" when core serves the
// session's MP4.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// One of the bundled recordings.
const (
	session = "1e39f45f-465b-4dd5-937d-5b4e2891d143"
	source  = "testdata/recordings/tiny/v3"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where core listens")
	token := flag.String("token", "", "the registration secret")
	media := flag.String("media", "", "core's media folder")
	owner := flag.Int("owner", 0, "user id that the replay folder is given to")
	within := flag.Duration("within", 2*time.Minute, "the agent has this long")
	lion := flag.String("lion", "", "the agent's address, to which a Lion uploads")
	flag.Parse()
	core, err := devcore.Start(devcore.Options{Version: "4.10.13", MediaDir: *media, Addr: *addr, BootstrapToken: *token})
	if err == nil {
		fmt.Println("core at", core.URL)
		if *lion == "" {
			err = watch(core, *media, *owner, *within)
		} else {
			err = record(core, *lion, *token, *media, *within)
		}
		err = errors.Join(err, core.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "devcore:", err)
		os.Exit(1)
	}
}

// watch runs a core with a replay volume.
func watch(core *devcore.Server, media string, owner int, within time.Duration) error {
	replay := filepath.Join(media, "replay")
	original, start, err := plant(replay, owner)
	if err != nil {
		return err
	}
	core.AddSession(devcore.Session{
		ID: session, User: "Test(test)", Asset: "RDP", Account: "test(test)", Protocol: "rdp", TerminalType: "lion",
		Start: start, End: start.Add(time.Minute), Finished: true, HasReplay: true,
	})
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		if served, err := core.Served(ctx, session); err == nil && served.Type == "mp4" {
			if _, err := os.Lstat(original); errors.Is(err, os.ErrNotExist) && reported(core) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("no MP4 in time")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// reported reports whether the agent has sent its last report about a session: that it
// has a replay.
func reported(core *devcore.Server) bool {
	return slices.ContainsFunc(core.Requests(), func(r devcore.Request) bool {
		return r.Method == http.MethodPatch && strings.Contains(r.Path, session) && r.Status == http.StatusOK
	})
}

// plant copies the recording to the volume, with a time some hours ago, and returns
// where it is and when its session began.
func plant(replay string, owner int) (string, time.Time, error) {
	days, err := os.ReadDir(source)
	if err != nil || len(days) != 1 {
		return "", time.Time{}, fmt.Errorf("%s: one day expected: %w", source, err)
	}
	day, err := time.Parse(time.DateOnly, days[0].Name())
	if err != nil {
		return "", time.Time{}, err
	}
	name := filepath.Join(days[0].Name(), session+".replay.gz")
	data, err := os.ReadFile(filepath.Join(source, name))
	if err != nil {
		return "", time.Time{}, err
	}
	file := filepath.Join(replay, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", time.Time{}, err
	}
	// In an earlier run, the agent has moved the file: write it again.
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return "", time.Time{}, err
	}
	old := time.Now().Add(-6 * time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		return "", time.Time{}, err
	}
	for _, path := range []string{replay, filepath.Dir(file), file} {
		if err := os.Chown(path, owner, owner); err != nil {
			return "", time.Time{}, err
		}
	}
	return file, day.Add(9 * time.Hour), nil
}
