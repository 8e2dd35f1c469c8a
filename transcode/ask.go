package transcode

import (
	"context"
	"errors"
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
	// askedFor is how long an answer counts, and runningFor one that says that
	// the session is not over.
	askedFor   = time.Hour
	runningFor = time.Minute
	// aloneFor is for how long sessions are asked about one by one after core
	// could not answer for many.
	aloneFor = 10 * time.Minute
)

// asked is what core has said of the sessions whose tasks come next. A core
// that takes 300 requests a minute would otherwise spend most of them on old
// recordings that are to be left alone. Each answer counts once, so that a
// task that is tried again asks anew.
type asked struct {
	turn sync.Mutex // held while core is asked about many

	mu      sync.Mutex // guards what follows
	answers map[string]answer
	alone   time.Time // until then each is asked about for itself
}

type answer struct {
	session coreapi.Session
	known   bool // core knows the session
	at      time.Time
}

func (x answer) counts() bool {
	if x.known && !x.session.IsFinished {
		return time.Since(x.at) < runningFor
	}
	return time.Since(x.at) < askedFor
}

// take hands out an answer.
func (a *asked) take(id string) (answer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x, ok := a.answers[id]
	delete(a.answers, id)
	return x, ok && x.counts()
}

// keep adds answers, and drops those that are too old to count.
func (a *asked) keep(answers map[string]answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answers == nil {
		a.answers = map[string]answer{}
	}
	maps.DeleteFunc(a.answers, func(_ string, x answer) bool { return !x.counts() })
	maps.Copy(a.answers, answers)
}

func (a *asked) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	x, ok := a.answers[id]
	return ok && x.counts()
}

// isAlone tells whether each session is to be asked about for itself now.
func (a *asked) isAlone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.alone)
}

// beAlone begins a time in which each is.
func (a *asked) beAlone(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alone = time.Now().Add(d)
}

// session is what core says of a task's session, or coreapi.ErrNotFound. It
// asks about those of the tasks that come next in the same request.
func (p *Pool) session(ctx context.Context, id string) (coreapi.Session, error) {
	if x, ok := p.asked.take(id); ok {
		return x.result()
	}
	if p.asked.isAlone() {
		return p.Core.Session(ctx, id)
	}
	p.asked.turn.Lock()
	defer p.asked.turn.Unlock()
	if x, ok := p.asked.take(id); ok { // another worker has asked meanwhile
		return x.result()
	}
	ids := append([]string{id}, p.upcoming(ctx, id)...)
	if len(ids) == 1 {
		return p.Core.Session(ctx, id)
	}
	answers, err := p.askAbout(ctx, ids)
	var e *coreapi.Error
	switch {
	case err == nil:
		x := answers[id]
		delete(answers, id)
		p.asked.keep(answers)
		return x.result()
	case ctx.Err() != nil, errors.As(err, &e) && (e.Status == 0 || isBusy(e.Status)):
		return coreapi.Session{}, err
	}
	// Perhaps for one of the others: this one shall not suffer for it.
	p.Log.Info("core cannot answer for many sessions at once; asking about each for itself", "sessions", len(ids), "error", err)
	p.asked.beAlone(aloneFor)
	return p.Core.Session(ctx, id)
}

// isBusy tells whether a status says that core cannot answer anything now.
func isBusy(status int) bool {
	return slices.Contains([]int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, status)
}

func (x answer) result() (coreapi.Session, error) {
	if !x.known {
		return coreapi.Session{}, coreapi.ErrNotFound
	}
	return x.session, nil
}

// upcoming lists the sessions of the tasks that come next and have no answer.
func (p *Pool) upcoming(ctx context.Context, but string) (ids []string) {
	tasks, err := p.Queue.List(ctx)
	if err != nil {
		return nil // the lease will tell
	}
	tasks = slices.DeleteFunc(tasks, func(t queue.Task) bool {
		return t.ID == but || t.State.Final() || t.Held() || t.Next.After(time.Now()) || p.asked.has(t.ID)
	})
	slices.SortFunc(tasks, queue.Before)
	for _, t := range tasks[:min(len(tasks), askAtOnce-1)] {
		ids = append(ids, t.ID)
	}
	return ids
}

// errNotSelected means that core has answered something else than it was asked.
var errNotSelected = errors.New("core lists sessions that it was not asked about")

// askAbout asks core about sessions in one request; the answer has them all.
func (p *Pool) askAbout(ctx context.Context, ids []string) (map[string]answer, error) {
	page, err := p.Core.Sessions(ctx, coreapi.SessionQuery{IDs: ids, Limit: len(ids)})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	answers := make(map[string]answer, len(ids))
	for _, id := range ids {
		answers[id] = answer{at: now}
	}
	for _, s := range page.Sessions {
		if _, ok := answers[s.ID]; !ok || page.More {
			return nil, errNotSelected
		}
		answers[s.ID] = answer{session: s, known: true, at: now}
	}
	return answers, nil
}
