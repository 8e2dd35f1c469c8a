package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Exit codes. They are part of the interface: scripts depend on them.
const (
	exitOK           = 0
	exitFailure      = 1
	exitUsage        = 2
	exitNotRecording = 3
	exitKokoJSON     = 4
	exitAsciicast    = 5
	exitEmpty        = 6
	exitNothingDrawn = 7
	exitNoFFmpeg     = 8
	exitVerification = 9
	exitFiles        = 10
	exitChanged      = 11
	exitNotInLedger  = 12
	exitLedger       = 13
	exitInterrupted  = 130
)

const exitCodeHelp = `Exit codes: 0 done, 1 failed (or several inputs failed for different reasons),
2 wrong usage or setting, 3 not a Guacamole recording, 4 a koko JSON recording,
5 an asciicast, 6 empty, 7 nothing was drawn in it, 8 ffmpeg is missing,
9 the MP4 was not proven good, 10 a file cannot be read or written,
11 to 13 see verify --help, 130 interrupted.`

const verifyCodeHelp = `Exit codes: 0 all are untouched, 2 wrong usage, 10 a file cannot be read,
11 an MP4 was changed, forged or is missing, 12 an MP4 is not in the ledger,
13 the ledger does not verify; of several 11 comes first, then 13, 12, 10.`

// usageError is a mistake in the command line or in a setting.
type usageError struct {
	err     error
	command string // whose --help may help; set once the command line has been run
}

func usage(err error) error         { return &usageError{err: err} }
func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// advisedError is an error that brings its own hint.
type advisedError struct {
	err  error
	hint string
}

func advise(err error, hint string) error { return &advisedError{err, hint} }
func (e *advisedError) Error() string     { return e.err.Error() }
func (e *advisedError) Unwrap() error     { return e.err }

// exitCode maps an error to the code that the process ends with.
func exitCode(err error) int {
	var use *usageError
	var kind *recording.KindError
	var missing *recording.MissingPartError
	var syntax *guac.SyntaxError
	var verify *video.VerifyError
	var path *fs.PathError
	var several *severalError
	var verified *verdictError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &several):
		return several.code()
	case errors.As(err, &verified):
		return verified.code
	case errors.As(err, &use):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &kind):
		return kindCode(kind.Kind)
	case errors.Is(err, guac.ErrEmpty):
		return exitEmpty
	case errors.Is(err, guac.ErrNothingDrawn):
		return exitNothingDrawn
	case errors.Is(err, guac.ErrNotGuacamole), errors.As(err, &syntax):
		return exitNotRecording
	case errors.Is(err, video.ErrNoFFmpeg):
		return exitNoFFmpeg
	case errors.As(err, &verify):
		return exitVerification
	case errors.As(err, &missing), errors.As(err, &path), errors.Is(err, errFiles):
		return exitFiles
	default:
		return exitFailure
	}
}

func kindCode(k recording.Kind) int {
	switch k {
	case recording.KindKokoJSON:
		return exitKokoJSON
	case recording.KindAsciicast:
		return exitAsciicast
	case recording.KindEmpty:
		return exitEmpty
	default:
		return exitNotRecording
	}
}

// errFiles marks an error about files that has no *fs.PathError in it.
var errFiles = errors.New("file")

// severalError says that some of several inputs failed; each has been
// reported already.
type severalError struct {
	failed, of int
	first      int  // exit code of the first
	differ     bool // others had other codes
}

func (e *severalError) Error() string { return fmt.Sprintf("%d of %d failed", e.failed, e.of) }

func (e *severalError) code() int {
	if e.differ {
		return exitFailure
	}
	return e.first
}

// complain prints an error the way every message of the program looks: on
// standard error, after the program's name, in lower case, without a period,
// hints on lines of their own. Further lines of an error are indented: they may
// be of others, and must not look like ours.
func complain(w io.Writer, err error) {
	fmt.Fprintf(w, "jumpserver-video: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if hint := hint(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// hint returns what to do about an error; empty when there is nothing to add.
func hint(err error) string {
	var advised *advisedError
	var use *usageError
	var kind *recording.KindError
	switch {
	case errors.As(err, &advised):
		return advised.hint
	case errors.As(err, &kind) && kind.Kind == recording.KindKokoJSON:
		return "koko's text sessions play in JumpServer itself; only graphical sessions become videos"
	case errors.As(err, &kind) && kind.Kind == recording.KindAsciicast:
		return "this is a terminal recording; play it with asciinema or in JumpServer"
	case errors.As(err, &kind) && kind.Kind == recording.KindMP4:
		return "this is a video already"
	case errors.Is(err, video.ErrNoFFmpeg):
		return "install it: apt-get install ffmpeg, or dnf install ffmpeg"
	case errors.Is(err, taskapi.ErrNoAgent):
		return "systemctl status jumpserver-video tells whether it runs; --config names its settings when they are not the package's"
	case errors.As(err, &use):
		return "see " + cmp.Or(use.command, "jumpserver-video") + " --help"
	}
	return ""
}
