package watcher

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Group counts recordings.
type Group struct {
	Recordings int   `json:"recordings"`
	Bytes      int64 `json:"bytes"`
}

// Add counts one more recording.
func (g *Group) Add(bytes int64) {
	g.Recordings++
	g.Bytes += bytes
}

// Day is the result of a survey for one day.
type Day struct {
	Date        string `json:"date"`        // YYYY-MM-DD
	Convertible Group  `json:"convertible"` // recordings that would become videos
	Done        Group  `json:"done"`        // videos of sessions without a recording
	TooNew      Group  `json:"too_new"`     // recordings that may still be written
	Broken      Group  `json:"broken"`      // recordings that cannot be converted
	Foreign     Group  `json:"foreign"`     // terminal recordings and unknown files
	// Reasons counts the broken and foreign files by reason.
	Reasons map[string]int `json:"reasons,omitempty"`
	// Files are all that was counted.
	Files []File `json:"files,omitempty"`
}

// As is what a survey takes a file for.
type As string

// The groups of a Day, into which files are sorted.
const (
	AsConvertible As = "convertible"
	AsDone        As = "done"
	AsTooNew      As = "too_new"
	AsBroken      As = "broken"
	AsForeign     As = "foreign"
)

// File is one of the files and folders that a survey counts.
type File struct {
	Path   string `json:"path"` // below the replay folder
	Bytes  int64  `json:"bytes"`
	As     As     `json:"as"`
	Reason string `json:"reason,omitempty"` // why it is broken or foreign
}

// Add counts one more, and keeps what it is.
func (d *Day) Add(f File) {
	group := map[As]*Group{AsConvertible: &d.Convertible, AsDone: &d.Done, AsTooNew: &d.TooNew, AsBroken: &d.Broken, AsForeign: &d.Foreign}[f.As]
	group.Add(f.Bytes)
	d.Files = append(d.Files, f)
	if f.Reason == "" {
		return
	}
	if d.Reasons == nil {
		d.Reasons = map[string]int{}
	}
	d.Reasons[f.Reason]++
}

// Survey visits every day of a replay folder from since on ("" = all), newest
// first, and reads the beginning of every recording. It changes nothing. It checks
// neither whether core knows the session, nor whether a recording is complete.
func Survey(ctx context.Context, root, since string, settle time.Duration, visit func(Day) error) error {
	l, err := readRoot(root, false)
	if err != nil {
		return err
	}
	dates := append(slices.Clone(l.days), l.links...)
	slices.Sort(dates)
	for _, date := range slices.Backward(dates) {
		if date < since {
			break
		}
		if slices.Contains(l.links, date) {
			day := Day{Date: date}
			day.Add(File{date, 0, AsForeign, notFollowed})
			if err := visit(day); err != nil {
				return err
			}
			continue
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

// notFollowed is the reason for links: a link may lead to another volume, from
// which nothing can be renamed to the trash.
const notFollowed = "symbolic link, not followed"

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
			d.Add(File{c.Path, c.Size, AsTooNew, ""})
			continue
		}
		_, err := recording.Open(filepath.Join(root, filepath.FromSlash(c.Path)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err := d.judge(c.Path, c.Size, err); err != nil {
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
		path := date + "/" + e.Name()
		name := recording.ParseName(path)
		if e.Type()&fs.ModeSymlink != 0 {
			d.Add(File{path, 0, AsForeign, notFollowed})
			continue
		}
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
			d.Add(File{path, info.Size(), AsDone, ""})
		case name.Class != recording.ClassVideo:
			d.Add(File{path, info.Size(), AsForeign, name.Class.String()})
		}
	}
	return d, nil
}

// judge classifies a recording by the error of opening it. It returns errors of the
// file system.
func (d *Day) judge(path string, size int64, err error) error {
	var kind *recording.KindError
	var missing *recording.MissingPartError
	var noIndex *recording.NoIndexError
	var index *recording.IndexError
	switch {
	case err == nil:
		d.Add(File{path, size, AsConvertible, ""})
	case errors.As(err, &missing):
		d.Add(File{path, size, AsBroken, "missing part"})
	case errors.As(err, &noIndex):
		d.Add(File{path, size, AsBroken, "no index"})
	case errors.As(err, &index):
		d.Add(File{path, size, AsBroken, "unusable index"})
	case errors.As(err, &kind) && (kind.Kind == recording.KindEmpty || kind.Kind == recording.KindUnknown):
		d.Add(File{path, size, AsBroken, kind.Kind.String()})
	case errors.As(err, &kind):
		d.Add(File{path, size, AsForeign, kind.Kind.String()})
	default:
		return err
	}
	return nil
}
