// Package savings records the space that videos save, day by day. The queue forgets
// tasks after some time; this account keeps its sums.
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

// Sum is the total of some recordings.
type Sum struct {
	Recordings int   `json:"recordings"`
	Before     int64 `json:"bytes_before"` // of the recordings
	After      int64 `json:"bytes_after"`  // of their MP4s
	Length     int64 `json:"duration_ms"`  // of their MP4s
}

// Day is the total of one day.
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

// Open reads the account from the file at path, or starts an empty one if there is
// no file. A file that cannot be parsed is moved aside.
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
		log.Warn("the account of saved space cannot be read; it is moved aside, and a new account begins", "error", err, "aside", aside)
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

// Add counts a recording that became an MP4, and writes the account. If writing
// fails, it logs that; the account stays in memory.
func (a *Account) Add(at time.Time, before, after int64, length time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	date := at.UTC().Format(time.DateOnly)
	a.days[date] = a.days[date].plus(Sum{1, before, after, length.Milliseconds()})
	if err := a.write(); err != nil {
		a.log.Warn("cannot write the account of saved space; retrying after the next recording", "error", err)
	}
}

func (s Sum) plus(o Sum) Sum {
	return Sum{s.Recordings + o.Recordings, s.Before + o.Before, s.After + o.After, s.Length + o.Length}
}

// write replaces the file. The caller must hold mu.
func (a *Account) write() error {
	data, err := json.Marshal(a.list())
	if err != nil {
		return err
	}
	return durable.WriteFile(a.path, append(data, '\n'), 0o600)
}

// list returns all days, oldest first. The caller must hold mu.
func (a *Account) list() []Day {
	days := make([]Day, 0, len(a.days))
	for date, sum := range a.days {
		days = append(days, Day{date, sum})
	}
	slices.SortFunc(days, func(a, b Day) int { return cmp.Compare(a.Date, b.Date) })
	return days
}

// Last returns the last n days up to today, oldest first, including days without work.
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

// Total returns the sum of all days, and the first of them ("" if there is none).
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
