package upload

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Admit asks core whether recordings of a session are accepted. Its errors wrap
// [ErrNoSession] or [ErrNoPicture]; any other error means that core could not be
// asked.
type Admit func(ctx context.Context, session string) error

// Errors of an [Admit].
var (
	ErrNoSession = errors.New("core does not know the session: the component keeps its recording")
	ErrNoPicture = errors.New("recordings of this session are not graphical")
)

// admitWait limits a question to core about a session. Together with checkWait and
// announceWait it is less than the 30 seconds that the newest Lion waits.
const admitWait = 8 * time.Second

// admit decides whether an upload may begin. If it is refused, the client keeps the
// recording and stores it itself: all releases do that for any status from 400 on.
//
// If core does not know a session, its upload could only end in the spool's trash.
// A session that has not ended is accepted: Lion uploads before it reports the end.
// Whether the caller is the component that recorded the session is not checked.
// Core knows a component by a name that administrators may change, and Lion gets
// another one whenever it has to register again.
func (s *Server) admit(ctx context.Context, session string) error {
	if s.Admit == nil {
		return nil
	}
	_, err := s.admitting.ask(ctx, session, admitWait, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.Admit(ctx, session)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoSession):
		return refuse(http.StatusNotFound, "%w", err)
	case errors.Is(err, ErrNoPicture):
		return refuse(http.StatusForbidden, "%w", err)
	}
	return refuse(http.StatusServiceUnavailable, "ask core about the session: %w", err)
}
