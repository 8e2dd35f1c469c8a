// Package notify notifies people who do not watch the status page of problems, and of
// their end: in chats, by mail, and through webhooks.
//
// # Events
//
// Notifications are about recordings that failed, and about parts of the agent that
// are not healthy (package health): the replay volume is unavailable, the agent is not
// registered, all tasks are held up, and so on. The recovery of a part is an event,
// too. An event must last for [Settle] before it is sent.
//
// # Frequency
//
// All events since the last message are one message: five hundred failures are a
// count by reason, with the first few sessions. Each target gets at most one message
// per [Every]. If a target does not accept a message, it is retried after a minute,
// then at growing intervals up to an hour, together with new events. Events that were
// not sent are stored, and survive restarts.
//
// # Secrets
//
// Addresses contain tokens. [Target.String] and all errors omit them.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Defaults of the Notifier's intervals.
const (
	Settle = 2 * time.Minute  // how long an event must last before it is sent
	Every  = 10 * time.Minute // minimum time between two messages to a target
	poll   = 10 * time.Second
)

// maxSessions is how many sessions a message lists.
const maxSessions = 5

// Notifier sends messages to its targets. Its fields must be set before Run.
type Notifier struct {
	Targets    []*Target
	Lang       i18n.Lang
	Link       string        // URL of the status page; "" = unknown
	Name       func() string // returns the agent's name
	Conditions func() health.Conditions
	File       string // stores the books
	// Count, if not nil, is called for each attempt to send a message, with whether the
	// service accepted it.
	Count func(service string, sent bool)
	Log   *slog.Logger

	Settle, Every, Poll time.Duration // 0 = the defaults

	mu       sync.Mutex
	books    map[string]*book // by id of the target; guarded by mu
	changed  bool             // the books differ from File; guarded by mu
	standing map[health.Part]*standing
}

// book records what one target was notified of, and what it was not.
type book struct {
	Failures failures               `json:"failures"` // not sent yet
	Told     map[health.Part]string `json:"told"`     // troubles that were sent, whose end was not sent yet

	next    time.Time // earliest time of the next message
	tries   int       // failed attempts since the last accepted message
	err     error     // of the last attempt
	sending bool
}

// failures are recordings that failed.
type failures struct {
	Count    int                `json:"count"`
	Reasons  map[task.Class]int `json:"reasons,omitempty"`
	Sessions []string           `json:"sessions,omitempty"` // of the first few
	First    time.Time          `json:"first"`
}

func (f *failures) add(v task.View, now time.Time) {
	if f.Count == 0 {
		*f = failures{Reasons: map[task.Class]int{}, First: now}
	}
	f.Count++
	f.Reasons[v.Reason]++
	if len(f.Sessions) < maxSessions {
		f.Sessions = append(f.Sessions, v.ID)
	}
}

// trouble is the state of a part that is not healthy.
type trouble struct {
	Say    i18n.Text
	Reason string
	Fix    i18n.Text
	Since  time.Time
}

// standing is the state of a part.
type standing struct {
	bad   bool
	since time.Time // when bad last changed
	as    string    // short description of the problem
	asOf  time.Time // when as last changed
	trouble
}

// news are the events that a target was not notified of.
type news struct {
	failures failures
	troubles map[health.Part]trouble
	over     map[health.Part]string
	allWell  bool // no part has a problem
}

func (n news) none() bool { return n.failures.Count == 0 && len(n.troubles) == 0 && len(n.over) == 0 }

// Ended counts a task that has failed. It is called for each task that has ended.
func (n *Notifier) Ended(v task.View) {
	if v.State != queue.StateFailed || task.ReasonOf(v.Reason).Harmless() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open()
	for _, t := range n.Targets {
		n.books[t.id].Failures.add(v, time.Now())
	}
	n.changed = true
}

// Trouble returns why targets do not accept messages; nil if they do.
func (n *Notifier) Trouble() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, t := range n.Targets {
		if b := n.books[t.id]; b != nil && b.err != nil {
			all = append(all, fmt.Sprintf("%s: %v", t, b.err))
		}
	}
	if all == nil {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

// Run sends messages until ctx ends, and then returns nil. An error of a message does
// not end it.
func (n *Notifier) Run(ctx context.Context) error {
	if len(n.Targets) == 0 {
		return nil
	}
	var sending sync.WaitGroup
	defer func() {
		sending.Wait()
		n.save()
	}()
	every := time.NewTicker(or(n.Poll, poll))
	defer every.Stop()
	for {
		n.look(time.Now())
		for _, t := range n.Targets {
			if told, ok := n.due(t, time.Now()); ok {
				sending.Go(func() { n.tell(ctx, t, told) })
			}
		}
		n.save()
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// look records the state of the parts.
func (n *Notifier) look(now time.Time) {
	conditions := n.Conditions()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.standing == nil {
		n.standing = map[health.Part]*standing{}
	}
	for _, c := range conditions {
		if c.Part == health.Notify {
			continue
		}
		bad := c.Level() == health.Failing || c.Level() == health.Degraded && c.Part != health.Tasks
		s := n.standing[c.Part]
		if s == nil || s.bad != bad {
			s = &standing{bad: bad, since: now, asOf: now}
			n.standing[c.Part] = s
		}
		if as := n.Lang.Say(c.Say); bad && s.as != as {
			s.as, s.asOf = as, now
		}
		if bad {
			reason := c.Reason
			if c.Detail != "" {
				reason = c.Detail
			}
			s.trouble = trouble{Say: c.Say, Reason: reason, Fix: c.Remedy(), Since: s.since}
		}
	}
}

// due returns the news for a target, and whether to send them now.
func (n *Notifier) due(t *Target, now time.Time) (news, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open()
	b, settle := n.books[t.id], or(n.Settle, Settle)
	told := news{troubles: map[health.Part]trouble{}, over: map[health.Part]string{}, allWell: true}
	if b.sending || now.Before(b.next) {
		return told, false
	}
	if f := b.Failures; f.Count > 0 && now.Sub(f.First) >= settle {
		told.failures = failures{f.Count, maps.Clone(f.Reasons), slices.Clone(f.Sessions), f.First}
	}
	for part, s := range n.standing {
		was, known := b.Told[part]
		switch lasts := now.Sub(s.asOf) >= settle; {
		case s.bad && was != s.as && lasts:
			told.troubles[part] = s.trouble
		case !s.bad && known && lasts:
			told.over[part] = was
		}
		told.allWell = told.allWell && !s.bad
	}
	if told.none() {
		return told, false
	}
	b.sending = true
	return told, true
}

// tell sends one message, and records the result.
func (n *Notifier) tell(ctx context.Context, t *Target, told news) {
	err := t.Send(ctx, writer{n.Lang, n.Link, n.Name()}.write(told))
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.books[t.id]
	b.sending = false
	if ctx.Err() != nil && err != nil {
		return // it is sent after the next start
	}
	if n.Count != nil {
		n.Count(t.service, err == nil)
	}
	if err != nil {
		if b.err == nil {
			n.Log.Warn("a notification was not accepted; retrying", "target", t.String(), "error", err)
		}
		b.err = err
		b.next = time.Now().Add(min(time.Minute<<min(b.tries, 6), time.Hour))
		b.tries++
		return
	}
	n.Log.Info("notification sent", "target", t.String(), "failed", told.failures.Count, "troubles", len(told.troubles), "over", len(told.over))
	b.err, b.tries, b.next = nil, 0, time.Now().Add(or(n.Every, Every))
	b.Failures.subtract(told.failures)
	for part, trouble := range told.troubles {
		b.Told[part] = n.Lang.Say(trouble.Say)
	}
	for part := range told.over {
		delete(b.Told, part)
	}
	n.changed = true
}

// subtract removes what was sent. If further failures are left, their sessions may be
// unknown, because only the first few were stored.
func (f *failures) subtract(told failures) {
	if told.Count == 0 {
		return
	}
	rest := failures{Count: f.Count - told.Count, Reasons: map[task.Class]int{}, Sessions: f.Sessions[len(told.Sessions):], First: time.Now()}
	for class, count := range f.Reasons {
		if more := count - told.Reasons[class]; more > 0 {
			rest.Reasons[class] = more
		}
	}
	*f = rest
}

// open reads File at the first call. The caller must hold mu.
func (n *Notifier) open() {
	if n.books != nil {
		return
	}
	kept := map[string]*book{}
	data, err := os.ReadFile(n.File)
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.Log.Warn("cannot read the record of notifications; some may be sent again", "error", err)
	}
	n.books = map[string]*book{}
	for _, t := range n.Targets {
		b := kept[t.id]
		if b == nil {
			b = &book{}
		}
		if b.Told == nil {
			b.Told = map[health.Part]string{}
		}
		if b.Failures.Reasons == nil {
			b.Failures.Reasons = map[task.Class]int{}
		}
		n.books[t.id] = b
	}
}

// save writes File. If that fails, notifications are sent all the same.
func (n *Notifier) save() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.changed {
		return
	}
	n.changed = false
	data, err := json.Marshal(n.books)
	if err == nil {
		err = durable.WriteFile(n.File, data, 0o600)
	}
	if err != nil {
		n.Log.Warn("cannot save the record of notifications; some may be sent again after a restart", "error", err)
	}
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
