package taskapi

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// index caches what filters compare with. Decoding it from a record takes 10 µs, which is a
// second for a hundred thousand tasks.
type index struct {
	mu   sync.Mutex
	keys map[string]keys // by the task's id; guarded by mu
}

// keys are what a [Filter] compares with. Names are in lower case.
type keys struct {
	rev         uint64    // revision of the record that they were decoded from
	when        time.Time // when the session began
	user, asset string    // parts of text
	text        string    // everything that Filter.Text is searched in
	incomplete  bool
}

// of returns the keys of a task, as view shows it. The caller must hold mu.
func (x *index) of(t *queue.Task, view func(queue.Task) task.View) keys {
	if k, ok := x.keys[t.ID]; ok && k.rev == t.Rev {
		return k
	}
	k := keysOf(view(*t), t.Date)
	k.rev = t.Rev
	if x.keys == nil {
		x.keys = map[string]keys{}
	}
	x.keys[t.ID] = k
	return k
}

// keysOf returns the keys of a view. If core was not asked about the session, date is used
// in place of its start; if date is zero, the time at which the task was created.
func keysOf(v task.View, date time.Time) keys {
	k := keys{when: date, incomplete: len(v.Incomplete) > 0}
	if date.IsZero() {
		k.when = v.Created
	}
	var account, protocol string
	if s := v.Session; s != nil {
		k.when, account, protocol = s.Start, s.Account, s.Protocol
		k.user, k.asset = strings.ToLower(s.User), strings.ToLower(s.Asset)
	}
	k.text = strings.Join([]string{v.ID, strings.ToLower(v.Path), k.user, k.asset, strings.ToLower(account), protocol}, "\n")
	return k
}

// warmAtOnce is how many tasks Warm adds to the index while it holds the lock.
const warmAtOnce = 200

// Warm fills the index, so that the first request with a filter does not wait for that. It
// returns nil when the index is full, when ctx ends, or when the queue cannot be reached.
func (s *Server) Warm(ctx context.Context) error {
	tasks, err := s.Queue.Newest(ctx)
	if err != nil {
		return nil //nolint:nilerr // the index is only a cache
	}
	for chunk := range slices.Chunk(tasks, warmAtOnce) {
		if ctx.Err() != nil {
			return nil
		}
		s.index.mu.Lock()
		for _, t := range chunk {
			s.index.of(t, s.View)
		}
		s.index.mu.Unlock()
	}
	return nil
}

// prune removes tasks that no longer exist from the index, if there are many of them. there
// has all tasks. The caller must hold mu.
func (x *index) prune(there []*queue.Task) {
	if len(x.keys) < 2*len(there)+1000 {
		return
	}
	kept := make(map[string]keys, len(there))
	for _, t := range there {
		if k, ok := x.keys[t.ID]; ok {
			kept[t.ID] = k
		}
	}
	x.keys = kept
}

// matcher is a [Filter] prepared for many tasks.
type matcher struct {
	Filter

	user, asset, text string // in lower case
	deep              bool   // keysMatch must be called
}

func (f Filter) matcher() matcher {
	m := matcher{Filter: f, user: strings.ToLower(f.User), asset: strings.ToLower(f.Asset), text: strings.ToLower(strings.TrimSpace(f.Text))}
	m.deep = m.user+m.asset+m.text != "" || !f.From.IsZero() || !f.To.IsZero() || f.Incomplete
	return m
}

// shallow reports whether state and reason match, which need no keys.
func (m matcher) shallow(state queue.State, reason queue.Class) bool {
	return (len(m.States) == 0 || slices.Contains(m.States, state)) && (m.Reason == "" || reason == m.Reason)
}

// keysMatch reports whether everything but state and reason matches.
func (m matcher) keysMatch(k keys) bool {
	return (m.From.IsZero() || !k.when.Before(m.From)) && (m.To.IsZero() || k.when.Before(m.To)) &&
		(!m.Incomplete || k.incomplete) &&
		strings.Contains(k.user, m.user) && strings.Contains(k.asset, m.asset) && strings.Contains(k.text, m.text)
}
