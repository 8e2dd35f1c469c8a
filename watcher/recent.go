package watcher

import "time"

// busyTime is how long a day is read at every poll after its folder has changed.
// The folder of a recording in parts appears first and its index last, and a
// recording may be uploaded again after it was replaced.
const busyTime = time.Hour

// foldersEvery is the number of intervals between looks at the folders of all days,
// which show whether names were added or removed.
const foldersEvery = 10

// change is the last known change of a day's folder.
type change struct {
	modTime time.Time // on the volume's clock
	noticed time.Time // on our clock
}

// notice records in which days' folders names were added or removed. For changes
// before the first poll, the volume's times are used.
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

// limit returns the oldest day that is polled because it is recent.
func (w *Watcher) limit(now time.Time) string {
	return now.UTC().AddDate(0, 0, 1-w.RecentDays).Format(time.DateOnly)
}

// recent returns the days that are read at every poll. These are the last days, the
// days with recordings that settle or must be offered again, and the days whose
// folder changed recently. The latter may be old: a restarted Lion uploads what it
// kept since an earlier run.
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
