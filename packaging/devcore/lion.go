package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// record runs a core with a Lion, and without a volume that the agent can see.
func record(core *devcore.Server, worker, token, media string, within time.Duration) error {
	source, err := filepath.Glob(source + "/*/*.replay.gz")
	if err != nil || len(source) != 1 {
		return fmt.Errorf("one recording expected: %w", err)
	}
	lion, err := liontest.Start(context.Background(), liontest.Parts, liontest.Options{
		Core: core.URL, Worker: worker, Token: token, Name: "test", Dir: filepath.Join(media, "lion"),
	})
	if err != nil {
		return err
	}
	defer lion.Close()
	for ids := bufio.NewScanner(os.Stdin); ids.Scan(); {
		start := time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second)
		core.AddSession(devcore.Session{
			ID: ids.Text(), User: "Test(test)", Asset: "RDP", Account: "test(test)", Protocol: "rdp", TerminalType: "lion",
			Start: start, End: start.Add(time.Minute), Finished: true,
		})
		if err := lion.Record(ids.Text(), source[0]); err != nil {
			return err
		}
		if err := handOver(core, lion, ids.Text(), start.Format(time.DateOnly), within); err != nil {
			return fmt.Errorf("%s: %w", ids.Text(), err)
		}
		fmt.Println("served", ids.Text())
	}
	return nil
}

// handOver makes the Lion upload a recording, and waits until core serves its MP4.
func handOver(core *devcore.Server, lion *liontest.Lion, id, day string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	out, err := lion.End(ctx, id, day)
	switch {
	case err != nil:
		return err
	case out.Task == "":
		return fmt.Errorf("the agent did not accept it: %w", out.Refused)
	}
	for {
		if served, err := core.Served(ctx, id); err == nil && served.Type == "mp4" {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("no MP4 in time")
		case <-time.After(200 * time.Millisecond):
		}
	}
}
