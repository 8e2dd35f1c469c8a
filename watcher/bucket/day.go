package bucket

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Session is what a bucket holds for one session.
type Session struct {
	Date, ID string
	Original *storage.Object  // D/S.replay.gz
	Index    *storage.Object  // D/S/S.replay.json
	Parts    []storage.Object // D/S/S.N.part.gz, in the order of keys
	Video    *storage.Object  // D/S.replay.mp4
	Others   []storage.Object // other objects: terminal recordings, parts that are videos …
}

// Entry returns the object that identifies the recording: the index, or the
// original if there is no index. It is nil if there is no recording, or only some
// of its parts so far.
func (s *Session) Entry() *storage.Object {
	switch {
	case s.Original != nil: // core prefers it
		return s.Original
	case s.Index != nil && len(s.Parts) > 0:
		return s.Index
	default:
		return nil
	}
}

// Objects returns the objects of the recording.
func (s *Session) Objects() []storage.Object {
	entry := s.Entry()
	switch entry {
	case nil:
		return nil
	case s.Original:
		return []storage.Object{*entry}
	default:
		return append([]storage.Object{*entry}, s.Parts...)
	}
}

// add adds an object; it returns false if the object belongs to another session.
func (s *Session) add(name recording.Name, o storage.Object) bool {
	if s.ID == "" {
		s.Date, s.ID = name.Date, name.Session
	}
	if s.ID != name.Session {
		return false
	}
	switch name.Class {
	case recording.ClassOriginal:
		s.Original = &o
	case recording.ClassIndex:
		s.Index = &o
	case recording.ClassPart:
		s.Parts = append(s.Parts, o)
	case recording.ClassVideo:
		s.Video = &o
	default:
		s.Others = append(s.Others, o)
	}
	return true
}

// centuries is the prefix of all days: in a bucket that is shared with others,
// nothing else is listed.
const centuries = "20"

// Days lists the days that a bucket has folders of, newest first. Before each page
// but the first it calls next, which may wait.
func Days(ctx context.Context, s storage.Storage, next func() error) ([]string, error) {
	var days []string
	for q := (storage.Query{Prefix: centuries, Folders: true}); ; {
		page, err := s.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, folder := range page.Folders {
			day := strings.TrimSuffix(folder, "/")
			if _, err := time.Parse(time.DateOnly, day); err == nil {
				days = append(days, day)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
		if err := next(); err != nil {
			return nil, err
		}
	}
	slices.Sort(days)
	slices.Reverse(days)
	return days, nil
}

// Day visits what a bucket holds for a day, session by session, and lists one page
// of keys at a time. In the order of keys, those of a session follow one another.
// after is where an earlier visit stopped, or "". visit gets the position from
// which a later call would continue with the next sessions. Before each page but
// the first, Day calls next, which may wait. An error of either ends it.
func Day(ctx context.Context, s storage.Storage, day, after string, visit func(s *Session, after string) error, next func() error) error {
	current := &Session{}
	for {
		page, err := s.List(ctx, storage.Query{Prefix: day + "/", After: after})
		if err != nil {
			return err
		}
		strangers := &Session{Date: day}
		for _, o := range page.Objects {
			name := recording.ParseName(o.Key)
			if name.Session == "" {
				strangers.Others = append(strangers.Others, o)
				continue
			}
			if !current.add(name, o) {
				if err := visit(current, after); err != nil {
					return err
				}
				current = &Session{}
				current.add(name, o)
			}
		}
		if len(strangers.Others) > 0 {
			if err := visit(strangers, after); err != nil {
				return err
			}
		}
		if page.Next == "" {
			if current.ID == "" {
				return nil
			}
			return visit(current, after)
		}
		after = page.Next
		if err := next(); err != nil {
			return err
		}
	}
}
