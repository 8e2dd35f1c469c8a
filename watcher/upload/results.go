package upload

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

// Result is what became of an upload.
type Result string

// Results. An upload that was accepted has one of the last four later.
const (
	Accepted  Result = "accepted"  // it is complete and durable; the client deletes its copy
	Refused   Result = "refused"   // the client uses its fallback
	Abandoned Result = "abandoned" // it was begun and not completed; the client has used its fallback
	Published Result = "published" // core has an MP4 of it
	AsIs      Result = "as_is"     // core has the recording itself, because no MP4 could be made
	Unwanted  Result = "unwanted"  // core does not know its session
	Failed    Result = "failed"    // it stays in the spool, because core has another replay or takes none
)

// Reasons of [Refused] and [Abandoned]. Those that are also reasons of tasks have
// the same names.
const (
	reasonNotReady     = "not_ready"        // the agent cannot accept uploads: see its health
	reasonTooMany      = "too_many"         // other requests, or unfinished uploads of the account
	reasonCore         = "core_unavailable" // core did not respond in time
	reasonUnauthorized = "unauthorized"     // core does not accept the signature
	reasonForbidden    = "forbidden"        // the account is disabled, or not that of a component
	reasonNoSession    = "session_unknown"
	reasonNotGraphical = "not_graphical"
	reasonNoUpload     = "upload_unknown" // the part's upload was dropped, or another agent has it
	reasonInProgress   = "in_progress"    // another request sends the same part
	reasonInterrupted  = "interrupted"    // the client disconnected, or sent nothing for too long
	reasonDamaged      = "damaged"        // the checksum or the size does not match
	reasonContent      = "not_guacamole"
	reasonInvalid      = "invalid" // the request is not Lion's
	reasonFull         = "disk_full"
	reasonInternal     = "internal"

	reasonExpired = "expired" // nothing was received for a day
	reasonRestart = "restart" // the agent stopped meanwhile
)

// Reasons lists the reasons of each result that has some. Reasons of [Failed] are
// those of tasks.
var Reasons = map[Result][]string{
	Refused: {
		reasonNotReady, reasonTooMany, reasonCore, reasonUnauthorized, reasonForbidden, reasonNoSession, reasonNotGraphical, reasonNoUpload,
		reasonInProgress, reasonInterrupted, reasonDamaged, reasonContent, reasonInvalid, reasonFull, reasonInternal,
	},
	Abandoned: {reasonExpired, reasonRestart},
}

// count passes on what became of an upload.
func (s *Spool) count(result Result, reason string) {
	if s.Count != nil {
		s.Count(result, reason)
	}
}

// refused is fail for a request that belongs to an upload.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, err error) {
	s.Spool.count(Refused, reasonOf(r.Context(), err))
	s.fail(w, r, err)
}

// errNotReady means that the agent cannot accept uploads now.
var errNotReady = errors.New("not ready")

// reasonOf returns the reason of a refusal. ctx is that of the request.
func reasonOf(ctx context.Context, err error) string {
	for _, known := range []struct {
		is     error
		reason string
	}{
		{ErrFull, reasonFull},
		{errNotReady, reasonNotReady},
		{errCrowded, reasonTooMany},
		{ErrMany, reasonTooMany},
		{ErrNoSession, reasonNoSession},
		{ErrNoPicture, reasonNotGraphical},
		{ErrNoTask, reasonNoUpload},
		{ErrBusy, reasonInProgress},
		{ErrChecksum, reasonDamaged},
		{ErrLength, reasonDamaged},
		{ErrEmpty, reasonContent},
		{os.ErrDeadlineExceeded, reasonInterrupted},
		{io.ErrUnexpectedEOF, reasonInterrupted},
		{unix.ECONNRESET, reasonInterrupted},
	} {
		if errors.Is(err, known.is) {
			return known.reason
		}
	}
	if ctx.Err() != nil {
		return reasonInterrupted
	}
	var refused *refusal
	if !errors.As(err, &refused) {
		return reasonInternal
	}
	switch refused.status {
	case http.StatusUnauthorized:
		return reasonUnauthorized
	case http.StatusForbidden:
		return reasonForbidden
	case http.StatusServiceUnavailable:
		return reasonCore
	case http.StatusUnsupportedMediaType:
		return reasonContent
	case http.StatusRequestTimeout:
		return reasonInterrupted
	}
	return reasonInvalid
}
