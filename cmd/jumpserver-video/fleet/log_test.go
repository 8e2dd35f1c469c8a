package fleet

import (
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"
)

// Kinds of events.
const (
	arrived  = "arrived"  // a recording on the volume
	sent     = "sent"     // an MP4 to core, which accepted it or not
	retired  = "retired"  // an original is about to be moved or removed
	pushed   = "pushed"   // an MP4 is about to be moved or removed from its place
	told     = "told"     // an event to core
	troubled = "troubled" // a fault that the test causes
)

// event is a line of the log.
type event struct {
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	Session string    `json:"session,omitempty"`
	Agent   string    `json:"agent,omitempty"`
	Video   string    `json:"video,omitempty"`  // SHA-256 of the MP4 that was sent, or that is in place at that moment
	Source  bool      `json:"source,omitempty"` // that MP4 has the mark of this recording
	Status  int       `json:"status,omitempty"` // of core's response
	Note    string    `json:"note,omitempty"`
}

// eventLog records events in order.
type eventLog struct {
	mu     sync.Mutex
	file   *os.File
	events []event
}

func newEventLog(t *testing.T, path string) *eventLog {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &eventLog{file: f}
}

func (l *eventLog) add(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.At = time.Now()
	l.events = append(l.events, e)
	data, _ := json.Marshal(e) // cannot fail
	_, _ = l.file.Write(append(data, '\n'))
}

func (l *eventLog) all() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]event(nil), l.events...)
}
