// Command devcore is a JumpServer for the test of the packages: a development
// core with one recording on its replay volume. It ends well when core serves
// that recording as MP4 and the original has left its place, as an agent beside
// it must bring about.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// The recording, one of the bundled.
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
	flag.Parse()
	if err := run(*addr, *token, *media, *owner, *within); err != nil {
		fmt.Fprintln(os.Stderr, "devcore:", err)
		os.Exit(1)
	}
}

func run(addr, token, media string, owner int, within time.Duration) error {
	core, err := devcore.Start(devcore.Options{Version: "4.10.13", MediaDir: media, Addr: addr, BootstrapToken: token})
	if err != nil {
		return err
	}
	defer func() { _ = core.Close() }()
	replay := filepath.Join(media, "replay")
	original, start, err := plant(replay, owner)
	if err != nil {
		return err
	}
	core.AddSession(devcore.Session{
		ID: session, User: "Test(test)", Asset: "RDP", Account: "test(test)", Protocol: "rdp", TerminalType: "lion",
		Start: start, End: start.Add(time.Minute), Finished: true, HasReplay: true,
	})
	fmt.Println("core at", core.URL)

	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		if served, err := core.Served(ctx, session); err == nil && served.Type == "mp4" {
			if _, err := os.Lstat(original); errors.Is(err, os.ErrNotExist) {
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

// plant puts the recording on the volume, some hours old, and answers where
// it is and when its session began.
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
	// Gone since an earlier run: the agent has moved it.
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
