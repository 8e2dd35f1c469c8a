package watcher

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Group counts recordings.
type Group struct {
	Recordings int   `json:"recordings"`
	Bytes      int64 `json:"bytes"`
}

// Add counts one more.
func (g *Group) Add(bytes int64) {
	g.Recordings++
	g.Bytes += bytes
}

// Day is what a survey finds on one day.
type Day struct {
	Date        string `json:"date"`        // YYYY-MM-DD
	Convertible Group  `json:"convertible"` // recordings that would become videos
	Done        Group  `json:"done"`        // videos of sessions without a recording beside them
	TooNew      Group  `json:"too_new"`     // recordings that may still be written
	Broken      Group  `json:"broken"`      // recordings that nobody can convert
	Foreign     Group  `json:"foreign"`     // terminal recordings and files of others
	// Reasons says what is broken and foreign, by number.
	Reasons map[string]int `json:"reasons,omitempty"`
}

// Because counts one more for a reason.
func (d *Day) Because(g *Group, bytes int64, reason string) {
	g.Add(bytes)
	if d.Reasons == nil {
		d.Reasons = map[string]int{}
	}
	d.Reasons[reason]++
}

// Survey looks at every day of a replay folder from since on ("" = all), the
// newest first, and at the beginning of every recording. It changes nothing.
// Whether core knows the session, and whether a recording is whole to its
// end, is not looked at.
func Survey(ctx context.Context, root, since string, settle time.Duration, visit func(Day) error) error {
	l, err := readRoot(root, false)
	if err != nil {
		return err
	}
	for _, date := range l.days {
		if date < since {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		day, err := surveyDay(root, date, settle)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed by core's clean-up
		}
		if err != nil {
			return err
		}
		if err := visit(*day); err != nil {
			return err
		}
	}
	return nil
}

func surveyDay(root, date string, settle time.Duration) (*Day, error) {
	l, err := readDay(root, date)
	if err != nil {
		return nil, err
	}
	d := &Day{Date: date}
	has := map[string]bool{}
	for _, s := range l.sightings {
		has[s.candidate.Session] = true
		c := s.candidate
		if age := time.Since(c.ModTime); age >= 0 && age < settle {
			d.TooNew.Add(c.Size)
			continue
		}
		_, err := recording.Open(filepath.Join(root, filepath.FromSlash(c.Path)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err := d.judge(c.Size, err); err != nil {
			return nil, err
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, date))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		name := recording.ParseName(date + "/" + e.Name())
		if name.Class == recording.ClassOriginal || name.Class == recording.ClassDownload {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch {
		case name.Class == recording.ClassVideo && !has[name.Session]:
			d.Done.Add(info.Size())
		case name.Class != recording.ClassVideo:
			d.Because(&d.Foreign, info.Size(), name.Class.String())
		}
	}
	return d, nil
}

// judge sorts a recording by what opening it said, and returns the errors of
// the file system.
func (d *Day) judge(size int64, err error) error {
	var kind *recording.KindError
	var missing *recording.MissingPartError
	var index *recording.IndexError
	switch {
	case err == nil:
		d.Convertible.Add(size)
	case errors.As(err, &missing):
		d.Because(&d.Broken, size, "missing part")
	case errors.As(err, &index):
		d.Because(&d.Broken, size, "unusable index")
	case errors.As(err, &kind) && (kind.Kind == recording.KindEmpty || kind.Kind == recording.KindUnknown):
		d.Because(&d.Broken, size, kind.Kind.String())
	case errors.As(err, &kind):
		d.Because(&d.Foreign, size, kind.Kind.String())
	default:
		return err
	}
	return nil
}
