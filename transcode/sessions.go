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

// Limits of requests to core.
const (
	// maxPerRequest is how many sessions one request asks for. Their ids fit into the
	// longest request line that proxies accept (8 kB), and core returns them in one page.
	maxPerRequest = 100
	// sessionTTL is how long a cached response is valid; runningTTL is the shorter
	// lifetime of one that says that the session has not ended.
	sessionTTL = time.Hour
	runningTTL = 10 * time.Second
	// singlyFor is how long each session is requested separately after a request for many
	// has failed.
	singlyFor = 10 * time.Minute
)

// sessions requests sessions from core, and caches those of the tasks that come next. Some
// cores allow only 300 requests a minute, and would otherwise spend most of them on old
// recordings that are not converted. Each response is used once, so that a retried task
// requests its session again.
type sessions struct {
	core  *coreapi.Client
	queue *queue.Queue
	log   *slog.Logger

	asking sync.Mutex // held during a request for many sessions

	mu          sync.Mutex // guards the fields below
	cache       map[string]response
	singlyUntil time.Time // each session is requested separately until then
}

// response is what core has returned for a session.
type response struct {
	session coreapi.Session
	known   bool // core knows the session
	at      time.Time
}

func (x response) isValid() bool {
	if x.known && !x.session.IsFinished {
		return time.Since(x.at) < runningTTL
	}
	return time.Since(x.at) < sessionTTL
}

// result returns the session, or coreapi.ErrNotFound.
func (x response) result() (coreapi.Session, error) {
	if !x.known {
		return coreapi.Session{}, coreapi.ErrNotFound
	}
	return x.session, nil
}

// take removes a response from the cache and returns it; false if there is no valid one.
func (s *sessions) take(id string) (response, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.cache[id]
	delete(s.cache, id)
	return x, ok && x.isValid()
}

// put adds responses to the cache, and removes those that have expired.
func (s *sessions) put(responses map[string]response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache == nil {
		s.cache = map[string]response{}
	}
	maps.DeleteFunc(s.cache, func(_ string, x response) bool { return !x.isValid() })
	maps.Copy(s.cache, responses)
}

// has reports whether the cache has a valid response for a session.
func (s *sessions) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.cache[id]
	return ok && x.isValid()
}

// singly reports whether each session must be requested separately now.
func (s *sessions) singly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.singlyUntil)
}

// get returns the session of a task, or coreapi.ErrNotFound. The same request also gets the
// sessions of the tasks that come next, for the cache.
func (s *sessions) get(ctx context.Context, id string) (coreapi.Session, error) {
	if x, ok := s.take(id); ok {
		return x.result()
	}
	if s.singly() {
		return s.core.Session(ctx, id)
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	if x, ok := s.take(id); ok { // another worker has requested it meanwhile
		return x.result()
	}
	ids := append([]string{id}, s.upcoming(ctx, id)...)
	if len(ids) == 1 {
		return s.core.Session(ctx, id)
	}
	responses, err := s.ask(ctx, ids)
	var e *coreapi.Error
	switch {
	case err == nil:
		x := responses[id]
		delete(responses, id)
		s.put(responses)
		return x.result()
	case ctx.Err() != nil, errors.As(err, &e) && (e.Status == 0 || isBusy(e.Status)):
		return coreapi.Session{}, err
	}
	// The error may concern another session of the request.
	s.log.Info("core cannot return many sessions in one request; requesting each separately", "sessions", len(ids), "error", err)
	s.mu.Lock()
	s.singlyUntil = time.Now().Add(singlyFor)
	s.mu.Unlock()
	return s.core.Session(ctx, id)
}

// isBusy reports whether a status means that core would refuse every request now.
func isBusy(status int) bool {
	return slices.Contains([]int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, status)
}

// upcoming returns the sessions of the tasks that come next and are not in the cache, without
// the session except. There are fewer than maxPerRequest.
func (s *sessions) upcoming(ctx context.Context, except string) (ids []string) {
	tasks, err := s.queue.List(ctx)
	if err != nil {
		return nil // the job's next write returns the error
	}
	tasks = slices.DeleteFunc(tasks, func(t queue.Task) bool {
		return t.ID == except || t.State.Final() || t.Held() || t.Next.After(time.Now()) || s.has(t.ID)
	})
	slices.SortFunc(tasks, queue.Before)
	for _, t := range tasks[:min(len(tasks), maxPerRequest-1)] {
		ids = append(ids, t.ID)
	}
	return ids
}

// errNotSelected means that core has ignored which sessions were requested.
var errNotSelected = errors.New("core returned other sessions than the requested ones")

// ask requests sessions from core in one request. The result has a response for each id.
func (s *sessions) ask(ctx context.Context, ids []string) (map[string]response, error) {
	page, err := s.core.Sessions(ctx, coreapi.SessionQuery{IDs: ids, Limit: len(ids)})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	responses := make(map[string]response, len(ids))
	for _, id := range ids {
		responses[id] = response{at: now}
	}
	for _, session := range page.Sessions {
		if _, ok := responses[session.ID]; !ok || page.More {
			return nil, errNotSelected
		}
		responses[session.ID] = response{session: session, known: true, at: now}
	}
	return responses, nil
}
