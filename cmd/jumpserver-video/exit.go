package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
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
	exitCut          = 14
	exitInterrupted  = 130
)

const exitCodeHelp = `Exit codes: 0 done, 1 failed (or several inputs failed for different reasons),
2 wrong usage or setting, 3 not a Guacamole recording, 4 a koko JSON recording,
5 an asciicast, 6 empty, 7 nothing was drawn in it, 8 ffmpeg is missing,
9 the MP4 failed verification, 10 a file cannot be read or written,
11 to 13 see verify --help, 14 converted, but the recording is cut
or damaged, 130 interrupted.`

const verifyCodeHelp = `Exit codes: 0 all are untouched, 2 wrong usage, 10 a file cannot be read,
11 an MP4 was changed, forged or is missing, 12 an MP4 is not in the ledger,
13 the ledger does not verify; if several apply, the first of 11, 13, 12, 10.`

// usageError is an error in the command line or in a setting.
type usageError struct {
	err     error
	command string // the command whose --help may help; set after the command line was run
}

func usage(err error) error         { return &usageError{err: err} }
func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// advisedError is an error with its own hint.
type advisedError struct {
	err  error
	hint string
}

func advise(err error, hint string) error { return &advisedError{err, hint} }
func (e *advisedError) Error() string     { return e.err.Error() }
func (e *advisedError) Unwrap() error     { return e.err }

// exitCode returns the exit code for an error.
func exitCode(err error) int {
	var use *usageError
	var kind *recording.KindError
	var missing *recording.MissingPartError
	var verify *video.VerifyError
	var path *fs.PathError
	var several *severalError
	var verified *verdictError
	var cut *cutError
	var file *fileError
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
	case errors.As(err, &cut):
		return exitCut
	case errors.As(err, &kind):
		return kindCode(kind.Kind)
	case errors.Is(err, guac.ErrEmpty):
		return exitEmpty
	case errors.Is(err, guac.ErrNothingDrawn):
		return exitNothingDrawn
	case errors.Is(err, guac.ErrNotGuacamole):
		return exitNotRecording
	case errors.Is(err, video.ErrNoFFmpeg):
		return exitNoFFmpeg
	case errors.As(err, &verify):
		return exitVerification
	case errors.As(err, &missing), errors.As(err, &path), errors.As(err, &file), errors.Is(err, errFiles):
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

// errFiles marks an error about files that does not wrap an *fs.PathError.
var errFiles = errors.New("file")

// saidError is an error with a text of the catalogue. Error returns it in English;
// errorText translates it.
type saidError struct {
	text i18n.Text
	err  error // may be nil
}

func (e *saidError) Error() string   { return e.text.String() }
func (e *saidError) Unwrap() error   { return e.err }
func (e *saidError) said() i18n.Text { return e.text }

// said returns an error with the text of a key of the catalogue.
func said(key string, args ...any) error { return &saidError{text: i18n.T(key, args...)} }

// textOf returns the text of an error, from the catalogue if it has one.
func textOf(err error) i18n.Text {
	if own := (*saidError)(nil); errors.As(err, &own) {
		return own.text
	}
	return i18n.Raw(err.Error())
}

// fileError is a saidError about a file.
type fileError struct{ saidError }

// fileTrouble returns a fileError with the text of a key; err may be nil.
func fileTrouble(err error, key string, args ...any) error {
	return &fileError{saidError{i18n.T(key, args...), err}}
}

// cutError means that a recording was converted that is cut or damaged. The details have
// been reported.
type cutError struct{ path string }

func (e *cutError) Error() string   { return e.said().String() }
func (e *cutError) said() i18n.Text { return i18n.T("cli.convert_cut", "path", terminal.Line(e.path)) }

// severalError means that some of several inputs failed, or were cut. Each of them has
// been reported.
type severalError struct {
	of    int
	codes []int // exit codes of those that failed or were cut
}

func (e *severalError) add(code int) { e.codes = append(e.codes, code) }

func (e *severalError) count(code int) (n int) {
	for _, c := range e.codes {
		if c == code {
			n++
		}
	}
	return n
}

func (e *severalError) Error() string { return e.said().String() }

func (e *severalError) said() (all i18n.Text) {
	cut, interrupted := e.count(exitCut), e.count(exitInterrupted)
	add := func(key string, n int) {
		part := i18n.T(key, "n", n, "of", e.of)
		if all.IsZero() {
			all = part
		} else {
			all = i18n.T("cli.and_then", "first", all, "second", part)
		}
	}
	if interrupted > 0 {
		add("cli.convert_interrupted", e.of-len(e.codes)+cut)
	}
	if failed := len(e.codes) - cut - interrupted; failed > 0 {
		add("cli.convert_failed", failed)
	}
	if cut > 0 {
		add("cli.convert_some_cut", cut)
	}
	return all
}

// code returns the exit code of the failed inputs, if all have the same. Cut recordings
// matter only if no input failed.
func (e *severalError) code() int {
	if e.count(exitInterrupted) > 0 {
		return exitInterrupted
	}
	failed := slices.DeleteFunc(slices.Clone(e.codes), func(code int) bool { return code == exitCut })
	switch {
	case len(failed) == 0:
		return exitCut
	case slices.ContainsFunc(failed, func(code int) bool { return code != failed[0] }):
		return exitFailure
	}
	return failed[0]
}

// message returns the text of an error.
func message(err error) string {
	var several *severalError
	if errors.Is(err, context.Canceled) && !errors.As(err, &several) {
		return i18n.T("cli.interrupted").String()
	}
	return err.Error()
}

// complain prints an error in the format of all messages of the program: to standard
// error, after the program's name, in lower case, without a period, with the hint on its
// own line. Further lines of an error are indented, because they may contain untrusted
// text, which must not look like a message of the program.
func (a *app) complain(err error) {
	fmt.Fprintf(a.err, "jumpserver-video: %s\n", strings.ReplaceAll(a.errorText(err), "\n", "\n  "))
	if hint := a.hint(err); hint != "" {
		fmt.Fprintln(a.err, a.lang.T("cli.hint", "hint", hint))
	}
}

// errorText returns an error's text. Texts of the catalogue, and errors from the agent,
// are in the user's language.
func (a *app) errorText(err error) string {
	var p *taskapi.Problem
	var own interface {
		error
		said() i18n.Text
	}
	text := message(err)
	switch {
	case a.lang == i18n.English:
	case errors.As(err, &p) && p.Code != "":
		return strings.Replace(text, p.Error(), a.lang.T("problem."+p.Code), 1)
	case errors.As(err, &own):
		return strings.Replace(text, own.Error(), a.lang.Say(own.said()), 1)
	case text != err.Error():
		return a.lang.T("cli.interrupted")
	}
	return text
}

// hint returns what to do about an error; "" if there is nothing to add.
func (a *app) hint(err error) string {
	var advised *advisedError
	var use *usageError
	var kind *recording.KindError
	switch {
	case errors.As(err, &advised):
		return advised.hint
	case errors.As(err, &kind) && kind.Kind == recording.KindKokoJSON:
		return a.lang.T("cli.hint_koko")
	case errors.As(err, &kind) && kind.Kind == recording.KindAsciicast:
		return a.lang.T("cli.hint_asciicast")
	case errors.As(err, &kind) && kind.Kind == recording.KindMP4:
		return a.lang.T("cli.hint_video")
	case errors.As(err, new(*recording.MissingPartError)):
		return a.lang.T("cli.hint_part")
	case errors.Is(err, video.ErrNoFFmpeg):
		return a.lang.T("cli.hint_ffmpeg")
	case errors.Is(err, taskapi.ErrNoAgent):
		return a.lang.T("cli.no_agent_hint")
	case errors.As(err, &use):
		return a.lang.T("cli.hint_usage", "command", cmp.Or(use.command, "jumpserver-video"))
	}
	return ""
}
