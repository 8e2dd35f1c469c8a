package taskapi

import (
	"sync"
	"time"
)

// How many wrong tokens a sender may try at once, how often one more after that, and how
// many senders are counted separately.
const (
	maxGuesses = 10
	guessEvery = 5 * time.Second
	maxSenders = 1024
)

// limiter is a rate limiter for wrong tokens, per sender: a token bucket. Its memory is
// bounded: if there are more senders than maxSenders, the others share one bucket. The zero
// value is ready to use.
type limiter struct {
	mu   sync.Mutex
	full map[sender]time.Time // when a sender may make maxGuesses guesses again; guarded by mu
}

// reserve counts a guess of a sender, and returns the sender for which it was counted. If
// the guess is not allowed yet, it is not counted, and wait is how long to wait.
func (l *limiter) reserve(from sender, now time.Time) (counted sender, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.full[from]; !known && len(l.full) >= maxSenders {
		l.forget(now)
		if len(l.full) >= maxSenders {
			from = sender{}
		}
	}
	full := l.full[from]
	if full.Before(now) {
		full = now
	}
	full = full.Add(guessEvery)
	if wait := full.Sub(now) - maxGuesses*guessEvery; wait > 0 {
		return from, wait
	}
	if l.full == nil {
		l.full = map[sender]time.Time{}
	}
	l.full[from] = full
	return from, 0
}

// cancel undoes a reserve whose token was the right one.
func (l *limiter) cancel(counted sender, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.full[counted].Add(-guessEvery)
	if full.After(now) {
		l.full[counted] = full
	} else {
		delete(l.full, counted)
	}
}

// forget removes the senders without recent guesses. The caller must hold mu.
func (l *limiter) forget(now time.Time) {
	for from, full := range l.full {
		if !full.After(now) {
			delete(l.full, from)
		}
	}
}
