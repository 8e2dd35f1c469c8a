// Command jumpserver-video converts JumpServer session recordings to MP4s.
//
// See `jumpserver-video --help`, or README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
)

// Set by the build (see Makefile).
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

// userAgent identifies the program in requests to core and storages, and in MP4s.
func userAgent() string { return "jumpserver-video/" + version }

func main() {
	if name := filepath.Base(os.Args[0]); isCheck(name) {
		os.Exit(check(name, os.Args[1:], os.Stdout, os.Stderr))
	}
	newApp(os.Stdout, os.Stderr).main()
}

// main runs the command line of the process, and exits.
func (a *app) main() {
	// Most memory is used by a few large pictures that live long. Frequent garbage
	// collections cost little then, and keep the heap close to what is in use. The
	// ballast is never written to, so it takes no memory. As a part of the heap, it
	// makes collections less frequent while little is in use.
	var ballast []byte
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
		if os.Getenv("GOMEMLIMIT") == "" { // it counts against this limit
			ballast = make([]byte, 32<<20)
		}
	}
	ctx, stop := untilSignal()
	code := a.run(ctx, os.Args[1:])
	stop()
	runtime.KeepAlive(ballast)
	os.Exit(code)
}

// untilSignal returns a context that the first signal cancels, so that all parts can stop
// in order. A second signal ends the process at once.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
