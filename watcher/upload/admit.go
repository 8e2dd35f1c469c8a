package upload

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Admit asks core whether recordings of a session are taken. Its errors wrap
// [ErrNoSession] or [ErrNoPicture]; any other means that core cannot be asked.
type Admit func(ctx context.Context, session string) error

// Errors of an [Admit].
var (
	ErrNoSession = errors.New("core does not know the session: who recorded it keeps the recording")
	ErrNoPicture = errors.New("recordings of this session are not graphical")
)

// admitWait is what core has to answer about a session: together with checkWait
// and announceWait less than the 30 seconds that the newest Lion gives us.
const admitWait = 8 * time.Second

// admit lets an upload begin. What is refused here its client keeps and stores
// by itself: every release takes any status from 400 on for that.
//
// A session that core does not know could end in the spool's trash only, and
// one that goes on is taken: Lion uploads before it says that the session is
// over. Whether the caller is the component that recorded the session is not
// asked: core knows a component by a name that administrators may change, and
// Lion has another one whenever it had to register again.
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
	return refuse(http.StatusServiceUnavailable, "whether the session is one of core's: %w", err)
}
