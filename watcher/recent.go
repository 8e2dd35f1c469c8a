package watcher

import "time"

// busyTime is how long a day is read at every poll after its folder has
// changed: a recording in parts has its folder at first and its index at last,
// and what replaces a recording may be followed by the recording once more.
const busyTime = time.Hour

// change is the last that is known of in a day's folder.
type change struct {
	modTime time.Time // as the volume says, by its own clock
	noticed time.Time // by ours
}

// notice keeps in mind in which days' folders names have come or gone. What
// changed before the first poll is as old as the volume says.
func (w *Watcher) notice(there rootList) {
	now := time.Now()
	seen := make(map[string]change, len(there.days))
	for _, day := range there.days {
		is := change{modTime: there.changed[day], noticed: now}
		was, known := w.changes[day]
		switch {
		case known && was.modTime.Equal(is.modTime):
			is.noticed = was.noticed
		case w.changes == nil && is.modTime.Before(now):
			is.noticed = is.modTime
		}
		seen[day] = is
	}
	w.changes = seen
}

// recent picks the days that are looked at at every poll: by the calendar,
// those in which something is waited for, and those whose folder has changed
// of late, however old the day: a Lion that starts again sends what it has
// kept since it started before.
func (w *Watcher) recent(days []string) []string {
	now := time.Now()
	limit := now.UTC().AddDate(0, 0, 1-w.RecentDays).Format(time.DateOnly)
	w.mu.Lock()
	waiting := map[string]bool{}
	for _, t := range w.tracks {
		if !t.taken {
			waiting[t.last.Date] = true
		}
	}
	w.mu.Unlock()
	var recent []string
	for _, day := range days {
		if day >= limit || waiting[day] || now.Sub(w.changes[day].noticed) < busyTime {
			recent = append(recent, day)
		}
	}
	return recent
}
