// Package savings keeps account of the space that videos save, day by day.
// The queue forgets its tasks after a while; this account does not.
package savings

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// Sum is what some recordings came to.
type Sum struct {
	Recordings int   `json:"recordings"`
	Before     int64 `json:"bytes_before"` // of the recordings
	After      int64 `json:"bytes_after"`  // of their MP4s
	Length     int64 `json:"duration_ms"`  // of their MP4s
}

// Day is what was done on one day.
type Day struct {
	Date string `json:"date"` // YYYY-MM-DD, UTC
	Sum
}

// Account is the account of one agent. It is safe for concurrent use.
type Account struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex
	days map[string]Sum // guarded by mu
}

// Open reads the account in the file at path; there is none yet if the file
// is not there. A file that cannot be understood is moved aside.
func Open(path string, log *slog.Logger) (*Account, error) {
	a := &Account{path: path, log: log, days: map[string]Sum{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("savings: %w", err)
	}
	var days []Day
	if err := json.Unmarshal(data, &days); err != nil {
		aside := path + ".broken"
		log.Warn("the account of saved space cannot be read; a new one is begun", "error", err, "aside", aside)
		if err := os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("savings: %w", err)
		}
		return a, nil
	}
	for _, d := range days {
		a.days[d.Date] = d.Sum
	}
	return a, nil
}

// Add counts a recording that became an MP4 and writes the account. A failure
// is logged: work goes on without it.
func (a *Account) Add(at time.Time, before, after int64, length time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	date := at.UTC().Format(time.DateOnly)
	a.days[date] = a.days[date].plus(Sum{1, before, after, length.Milliseconds()})
	if err := a.write(); err != nil {
		a.log.Warn("the account of saved space was not written", "error", err)
	}
}

func (s Sum) plus(o Sum) Sum {
	return Sum{s.Recordings + o.Recordings, s.Before + o.Before, s.After + o.After, s.Length + o.Length}
}

// write replaces the file. The caller holds mu.
func (a *Account) write() error {
	data, err := json.Marshal(a.list())
	if err != nil {
		return err
	}
	return durable.WriteFile(a.path, append(data, '\n'), 0o600)
}

// list is all days, the oldest first. The caller holds mu.
func (a *Account) list() []Day {
	days := make([]Day, 0, len(a.days))
	for date, sum := range a.days {
		days = append(days, Day{date, sum})
	}
	slices.SortFunc(days, func(a, b Day) int { return cmp.Compare(a.Date, b.Date) })
	return days
}

// Last is the last n days up to today, the oldest first, those without work too.
func (a *Account) Last(n int, today time.Time) []Day {
	a.mu.Lock()
	defer a.mu.Unlock()
	days := make([]Day, n)
	for i := range days {
		date := today.UTC().AddDate(0, 0, i+1-n).Format(time.DateOnly)
		days[i] = Day{date, a.days[date]}
	}
	return days
}

// Total is the sum of all days, and the first of them ("" if there is none).
func (a *Account) Total() (sum Sum, since string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for date, day := range a.days {
		sum = sum.plus(day)
		if since == "" || date < since {
			since = date
		}
	}
	return sum, since
}
