package watcher

import "time"

// busyTime is how long a day is read at every poll after its folder has
// changed: a recording in parts has its folder at first and its index at last,
// and what replaces a recording may be followed by the recording once more.
const busyTime = time.Hour

// foldersEvery is how many intervals pass between looks at the folders of all
// days, which tell whether names have come or gone.
const foldersEvery = 10

// change is the last that is known of in a day's folder.
type change struct {
	modTime time.Time // as the volume says, by its own clock
	noticed time.Time // by ours
}

// notice keeps in mind in which days' folders names have come or gone. What
// changed before the first poll is as old as the volume says.
func (w *Watcher) notice(there rootList) {
	now := time.Now()
	w.looked = now
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

// limit is the first of the days that are polled by the calendar.
func (w *Watcher) limit(now time.Time) string {
	return now.UTC().AddDate(0, 0, 1-w.RecentDays).Format(time.DateOnly)
}

// recent picks the days that are looked at at every poll: by the calendar,
// those in which something settles or is to be offered again now, and those
// whose folder has changed of late, however old the day: a Lion that starts
// again sends what it has kept since it started before.
func (w *Watcher) recent(days []string) []string {
	now := time.Now()
	limit := w.limit(now)
	w.mu.Lock()
	due := map[string]bool{}
	for t := range w.waiting() {
		if t.due(now) {
			due[t.last.Date] = true
		}
	}
	w.mu.Unlock()
	var recent []string
	for _, day := range days {
		if day >= limit || due[day] || now.Sub(w.changes[day].noticed) < busyTime {
			recent = append(recent, day)
		}
	}
	return recent
}
