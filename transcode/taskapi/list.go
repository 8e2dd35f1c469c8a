package taskapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Page is a part of the tasks that a [Filter] selects, the latest change first.
type Page struct {
	Tasks []task.View
	Next  string // the cursor of the next page; "" = this is the last page
	Total int    // how many tasks the filter selects
}

// list serves the list of tasks: all of them or one page, as JSON or CSV.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	f, err := parseFilter(v)
	if err != nil {
		s.fail(w, http.StatusBadRequest, err)
		return
	}
	limit := 0
	if text := v.Get(atMost); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
			s.fail(w, http.StatusBadRequest, fmt.Errorf("%s: must be 1 to %d", atMost, maxLimit))
			return
		}
	}
	page, err := s.find(r.Context(), f, v.Get(after), limit)
	if err != nil {
		s.failAs(w, err)
		return
	}
	w.Header().Set(headerTotal, strconv.Itoa(page.Total))
	if page.Next != "" {
		w.Header().Set(headerNext, page.Next)
	}
	if v.Get(format) == "csv" {
		s.respondCSV(w, page.Tasks)
		return
	}
	s.respond(w, page.Tasks)
}

// find returns the tasks that a filter selects, from a cursor on: at most limit, or all if
// limit is 0. Recordings that are not in the queue yet come first.
func (s *Server) find(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	tasks, err := s.Queue.Newest(ctx)
	if err != nil {
		return Page{}, err
	}
	passed, before, err := parseCursor(cursor)
	if err != nil {
		return Page{}, err
	}
	m := f.matcher()
	page := Page{Tasks: []task.View{}}
	full := func() bool { return limit > 0 && len(page.Tasks) >= limit }
	for i, v := range s.settling() {
		if !m.shallow(v.State, v.Reason) || m.deep && !m.keysMatch(keysOf(v, v.Created)) {
			continue
		}
		page.Total++
		switch {
		case before > 0 || i < passed:
		case full():
			page.Next = fmt.Sprintf("s%d", i)
			before = lowestRev // no task of the queue belongs to this page
		default:
			page.Tasks = append(page.Tasks, v)
		}
	}
	s.index.mu.Lock()
	var chosen []*queue.Task
	for _, t := range tasks {
		if !m.shallow(t.State, t.Reason) || m.deep && !m.keysMatch(s.index.of(t, s.View)) {
			continue
		}
		page.Total++
		switch {
		case before > 0 && t.Rev >= before, page.Next != "":
		case limit > 0 && len(page.Tasks)+len(chosen) >= limit:
			page.Next = fmt.Sprintf("t%d", t.Rev+1)
		default:
			chosen = append(chosen, t)
		}
	}
	s.index.prune(tasks)
	s.index.mu.Unlock()
	for _, t := range chosen {
		v := s.View(*t)
		if limit > 0 {
			v = brief(v)
		}
		page.Tasks = append(page.Tasks, v)
	}
	return page, nil
}

// Count returns how many tasks a filter selects.
func (s *Server) Count(ctx context.Context, f Filter) (int, error) {
	page, err := s.find(ctx, f, "", 1)
	return page.Total, err
}

// lowestRev is a revision that no record is below.
const lowestRev = 1

// parseCursor parses the beginning of a page. "s20" means after the first 20 recordings
// that are not in the queue yet; "t4711" means with the tasks of revisions below 4711.
func parseCursor(text string) (passed int, before uint64, err error) {
	if text == "" {
		return 0, 0, nil
	}
	n, err := strconv.ParseUint(text[1:], 10, 62)
	switch {
	case err == nil && text[0] == 's':
		return int(n), 0, nil //nolint:gosec // 62 bits
	case err == nil && text[0] == 't':
		return 0, max(n, lowestRev), nil
	}
	return 0, 0, fmt.Errorf("%w: %.40q", errCursor, text)
}

// settling returns the recordings that are not in the queue yet, ordered by id.
func (s *Server) settling() []task.View {
	if s.Settling == nil {
		return nil
	}
	views := s.Settling()
	slices.SortFunc(views, func(a, b task.View) int { return strings.Compare(a.ID, b.ID) })
	return views
}

// View returns the view of a task, without its session if names are hidden.
func (s *Server) View(t queue.Task) task.View {
	v := task.ViewOf(t)
	if s.HideNames {
		v.Session = nil
	}
	return v
}

// briefError bounds an error in a page of a list, in bytes.
const briefError = 240

// brief returns a view without its long parts, so that a page of a list stays small.
func brief(v task.View) task.View {
	v.Originals, v.Warnings = nil, nil
	v.Incomplete = v.Incomplete[:min(1, len(v.Incomplete))]
	v.Error = shorten(v.Error)
	if len(v.Incomplete) > 0 {
		v.Incomplete = []string{shorten(v.Incomplete[0])}
	}
	return v
}

// shorten returns at most briefError bytes of s; an ellipsis replaces what was cut off.
func shorten(s string) string {
	if len(s) <= briefError {
		return s
	}
	s = s[:briefError]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
