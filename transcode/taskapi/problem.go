package taskapi

import (
	"errors"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Problem is the body of every response that is not 2xx, and the error that the client
// returns for it.
type Problem struct {
	Text string `json:"error"` // in English
	// Code is one of Codes, from which clients get a text in another language; "" if
	// there is only Text.
	Code string `json:"code,omitempty"`
}

func (p *Problem) Error() string { return "agent: " + p.Text }

// Codes of problems.
const (
	CodeOtherHost  = "other_host"  // the call is not from this host, and no token is set
	CodeNoToken    = "no_token"    //nolint:gosec // a name
	CodeWrongToken = "wrong_token" //nolint:gosec // a name
	CodeGuesses    = "guesses"     // too many wrong tokens
	CodeLookOnly   = "look_only"   // browsers may only read while no token is set
	CodeNotFound   = "not_found"
	CodeAmbiguous  = "ambiguous"
	CodeActive     = "active"
	CodeNoLog      = "no_log"
	CodeDone       = "done"
	CodeUploadGone = "upload_gone" // the task cannot be repeated without its upload
	CodeNoOriginal = "no_original" // no trash has an original of the session
	CodeInPlace    = "in_place"    // a recording is where the original was
	CodeRange      = "range"       // a setting is out of its range
	CodeQueue      = "queue"       // the queue cannot be reached
)

// Codes are all codes of problems.
var Codes = []string{
	CodeOtherHost, CodeNoToken, CodeWrongToken, CodeGuesses, CodeLookOnly, CodeNotFound, CodeAmbiguous, CodeActive, CodeDone, CodeNoLog, CodeUploadGone,
	CodeNoOriginal, CodeInPlace, CodeRange, CodeQueue,
}

var (
	errNoLog  = errors.New("this agent has no log of that task")
	errCursor = errors.New("not a cursor of this list")
)

// codeOf returns the code of an error of the queue, the pool or this package; "" if there
// is none.
func codeOf(err error) string {
	for code, kind := range map[string]error{
		CodeNotFound: queue.ErrNotFound, CodeAmbiguous: queue.ErrAmbiguous, CodeActive: queue.ErrActive, CodeDone: queue.ErrDone, CodeNoOriginal: task.ErrNoOriginal, CodeInPlace: task.ErrInPlace, CodeRange: steering.ErrRange,
		CodeNoLog: errNoLog, CodeUploadGone: task.ErrUploadGone, CodeQueue: queue.ErrUnreached,
	} {
		if errors.Is(err, kind) {
			return code
		}
	}
	return ""
}
