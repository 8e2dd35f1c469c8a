package taskapi

import (
	"sync"
	"time"
)

// How many wrong tokens a sender may try at once, how often one more
// afterwards, and for how many senders that is kept in mind.
const (
	maxGuesses = 10
	guessEvery = 5 * time.Second
	maxSenders = 1024
)

// brake bounds how fast tokens can be guessed. It takes no more memory however
// many guess: those that there is no room for have one allowance together.
type brake struct {
	mu   sync.Mutex
	free map[sender]time.Time // when a sender's guesses are forgotten; guarded by mu
}

// take books a guess of a sender, and returns under which sender it was booked.
// A guess that must not be made yet is not booked; wait says for how long.
func (b *brake) take(from sender, now time.Time) (booked sender, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.free[from]; !known && len(b.free) >= maxSenders {
		b.forget(now)
		if len(b.free) >= maxSenders {
			from = sender{}
		}
	}
	free := b.free[from]
	if free.Before(now) {
		free = now
	}
	free = free.Add(guessEvery)
	if wait := free.Sub(now) - maxGuesses*guessEvery; wait > 0 {
		return from, wait
	}
	if b.free == nil {
		b.free = map[sender]time.Time{}
	}
	b.free[from] = free
	return from, 0
}

// give takes a booking back: the token was right.
func (b *brake) give(booked sender, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := b.free[booked].Add(-guessEvery)
	if free.After(now) {
		b.free[booked] = free
	} else {
		delete(b.free, booked)
	}
}

// forget drops those whose guesses are long ago. The caller holds mu.
func (b *brake) forget(now time.Time) {
	for from, free := range b.free {
		if !free.After(now) {
			delete(b.free, from)
		}
	}
}
