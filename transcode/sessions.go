package transcode

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// What bounds questions to core.
const (
	// askAtOnce is how many sessions one request asks about: their ids fit
	// into the line that proxies accept (8 kB), and the answer is one of the
	// small pages that core likes.
	askAtOnce = 100
	// sessionTTL is how long an answer is valid, and runningTTL how long one
	// that says that the session is not over.
	sessionTTL = time.Hour
	runningTTL = time.Minute
	// singlyFor is for how long sessions are asked about one by one after core
	// could not answer for many.
	singlyFor = 10 * time.Minute
)

// sessions is what core says of sessions, with a cache for those whose tasks
// come next. A core that takes 300 requests a minute would otherwise spend most
// of them on old recordings that are to be left alone. Each answer is used
// once, so that a task that is tried again asks anew.
type sessions struct {
	core  *coreapi.Client
	queue *queue.Queue
	log   *slog.Logger

	asking sync.Mutex // held while core is asked about many

	mu          sync.Mutex // guards what follows
	answers     map[string]answer
	singlyUntil time.Time // until then each is asked about for itself
}

type answer struct {
	session coreapi.Session
	known   bool // core knows the session
	at      time.Time
}

func (x answer) isValid() bool {
	if x.known && !x.session.IsFinished {
		return time.Since(x.at) < runningTTL
	}
	return time.Since(x.at) < sessionTTL
}

func (x answer) result() (coreapi.Session, error) {
	if !x.known {
		return coreapi.Session{}, coreapi.ErrNotFound
	}
	return x.session, nil
}

// take returns a cached answer and removes it.
func (s *sessions) take(id string) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.answers[id]
	delete(s.answers, id)
	return x, ok && x.isValid()
}

// put adds answers, and drops those that are not valid any more.
func (s *sessions) put(answers map[string]answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil {
		s.answers = map[string]answer{}
	}
	maps.DeleteFunc(s.answers, func(_ string, x answer) bool { return !x.isValid() })
	maps.Copy(s.answers, answers)
}

func (s *sessions) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.answers[id]
	return ok && x.isValid()
}

// singly reports whether each session is to be asked about for itself now.
func (s *sessions) singly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.singlyUntil)
}

// get returns what core says of a task's session, or coreapi.ErrNotFound. It
// asks about those of the tasks that come next in the same request.
func (s *sessions) get(ctx context.Context, id string) (coreapi.Session, error) {
	if x, ok := s.take(id); ok {
		return x.result()
	}
	if s.singly() {
		return s.core.Session(ctx, id)
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	if x, ok := s.take(id); ok { // another worker has asked meanwhile
		return x.result()
	}
	ids := append([]string{id}, s.upcoming(ctx, id)...)
	if len(ids) == 1 {
		return s.core.Session(ctx, id)
	}
	answers, err := s.ask(ctx, ids)
	var e *coreapi.Error
	switch {
	case err == nil:
		x := answers[id]
		delete(answers, id)
		s.put(answers)
		return x.result()
	case ctx.Err() != nil, errors.As(err, &e) && (e.Status == 0 || isBusy(e.Status)):
		return coreapi.Session{}, err
	}
	// Perhaps for one of the others: this one shall not suffer for it.
	s.log.Info("core cannot answer for many sessions at once; asking about each for itself", "sessions", len(ids), "error", err)
	s.mu.Lock()
	s.singlyUntil = time.Now().Add(singlyFor)
	s.mu.Unlock()
	return s.core.Session(ctx, id)
}

// isBusy reports whether a status says that core cannot answer anything now.
func isBusy(status int) bool {
	return slices.Contains([]int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, status)
}

// upcoming lists the sessions of the tasks that come next and have no answer.
func (s *sessions) upcoming(ctx context.Context, but string) (ids []string) {
	tasks, err := s.queue.List(ctx)
	if err != nil {
		return nil // the lease will tell
	}
	tasks = slices.DeleteFunc(tasks, func(t queue.Task) bool {
		return t.ID == but || t.State.Final() || t.Held() || t.Next.After(time.Now()) || s.has(t.ID)
	})
	slices.SortFunc(tasks, queue.Before)
	for _, t := range tasks[:min(len(tasks), askAtOnce-1)] {
		ids = append(ids, t.ID)
	}
	return ids
}

// errNotSelected means that core has answered something else than it was asked.
var errNotSelected = errors.New("core lists sessions that it was not asked about")

// ask asks core about sessions in one request; the result has them all.
func (s *sessions) ask(ctx context.Context, ids []string) (map[string]answer, error) {
	page, err := s.core.Sessions(ctx, coreapi.SessionQuery{IDs: ids, Limit: len(ids)})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	answers := make(map[string]answer, len(ids))
	for _, id := range ids {
		answers[id] = answer{at: now}
	}
	for _, session := range page.Sessions {
		if _, ok := answers[session.ID]; !ok || page.More {
			return nil, errNotSelected
		}
		answers[session.ID] = answer{session: session, known: true, at: now}
	}
	return answers, nil
}
