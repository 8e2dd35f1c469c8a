package bucket

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Session is what a bucket holds of one session.
type Session struct {
	Date, ID string
	Original *storage.Object  // D/S.replay.gz
	Index    *storage.Object  // D/S/S.replay.json
	Parts    []storage.Object // D/S/S.N.part.gz, in the order of keys
	Video    *storage.Object  // D/S.replay.mp4
	Others   []storage.Object // further ones: terminal recordings, parts that are videos …
}

// Entry is the object that stands for the recording: the index, or the
// original where there is none. It is nil when there is no recording, or only
// a part of one so far.
func (s *Session) Entry() *storage.Object {
	switch {
	case s.Original != nil: // what core serves first
		return s.Original
	case s.Index != nil && len(s.Parts) > 0:
		return s.Index
	default:
		return nil
	}
}

// Objects are those of the recording.
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

// add sorts an object in; false when it is of another session.
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

// centuries begins the names of all days that matter: nothing else in a bucket
// that is shared with others is listed.
const centuries = "20"

// Days lists the days that a bucket has folders of, the newest first. Before
// each further page next may wait.
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

// Day visits what a bucket holds of a day, session by session, a page of keys
// at a time: the names of a session stand together in the order of keys.
// After is where an earlier visit stopped, or "". Each visit is told where a
// later one would have to begin to see the sessions that follow. Before each
// further page next may wait. Errors of both end it.
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
