// Command jumpserver-video turns JumpServer session recordings into MP4s.
//
// See `jumpserver-video --help`, or README.md for how to begin.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Set by the build (see Makefile).
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

// userAgent is what core, storages and MP4s are told of who made the request
// or the video.
func userAgent() string { return "jumpserver-video/" + version }

func main() { newApp(os.Stdout, os.Stderr).main() }

// main runs the command line of the process, and ends the process.
func (a *app) main() {
	// Memory goes to a few large pictures that live long: collecting more
	// often costs little and keeps the heap near what is in use.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
	ctx, stop := untilSignal()
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// untilSignal is a context that the first signal ends, so that all can stop
// in order. A second signal ends the process at once.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
