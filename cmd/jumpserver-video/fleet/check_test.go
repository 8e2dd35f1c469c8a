package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// outcome is the final state of a session.
type outcome struct {
	State    string   // of its task
	Served   string   // SHA-256 of the MP4 that core serves; "" if core serves anything else
	Source   bool     // that MP4 has the mark of this recording
	Marked   bool     // core knows that the session has a replay
	Original bool     // the original is in its place
	Trashed  int      // copies of the original in the trash
	Left     []string // other files of the session
}

// check returns everything that is wrong, according to the log and the final states.
func check(events []event, ends map[string]outcome) (wrong []string) {
	by := map[string][]event{}
	for _, e := range events {
		if e.Session != "" {
			by[e.Session] = append(by[e.Session], e)
		}
		if e.Session != "" && !arrivedEver(ends, e.Session) {
			wrong = append(wrong, fmt.Sprintf("%s: %s, of a session that never was", e.Session, e.What))
		}
	}
	for id, end := range ends {
		for _, what := range slices.Concat(history(by[id]), finish(by[id], end)) {
			wrong = append(wrong, id+": "+what)
		}
	}
	slices.Sort(wrong)
	return wrong
}

func arrivedEver(ends map[string]outcome, id string) bool {
	_, ok := ends[id]
	return ok
}

// history checks a session's events, which are in order.
func history(events []event) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	videos, gone, tellings := map[string]bool{}, 0, map[string]int{}
	for _, e := range events {
		switch e.What {
		case sent:
			videos[e.Video] = true
			if !e.Source {
				add("%s sent an MP4 that was made from something else", e.Agent)
			}
		case retired:
			gone++
			switch {
			case e.Video == "":
				add("the original went while there was no MP4")
			case !e.Source || !videos[e.Video]:
				add("the original went while there was another MP4 than one of its own")
			}
		case told:
			if tellings[e.Note]++; tellings[e.Note] == 2 {
				add("core was told of %s more than once", e.Note)
			}
		}
	}
	if gone != 1 {
		add("the original went %d times", gone)
	}
	if len(videos) != 1 {
		add("%d different MP4s were sent", len(videos))
	}
	return wrong
}

// finish checks the final state of a session.
func finish(events []event, end outcome) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if end.State != "done" {
		add("its task is %q", end.State)
	}
	if end.Served == "" || !end.Source {
		add("core does not serve its MP4")
	} else if !slices.ContainsFunc(events, func(e event) bool { return e.What == sent && e.Video == end.Served }) {
		add("core serves an MP4 that nobody sent")
	}
	if !end.Marked {
		add("core does not know that it has a replay")
	}
	if end.Original || end.Trashed != 1 {
		add("its original is in the trash %d times, still in its place: %v", end.Trashed, end.Original)
	}
	if len(end.Left) > 0 {
		add("left over: %s", strings.Join(end.Left, ", "))
	}
	return wrong
}

// TestTheCheckerFindsWhatIsWrong: each fault is found.
func TestTheCheckerFindsWhatIsWrong(t *testing.T) {
	const id = "s"
	good := func() ([]event, map[string]outcome) {
		return []event{
			{What: arrived, Session: id}, {What: sent, Session: id, Video: "v", Source: true, Status: 201},
			{What: retired, Session: id, Video: "v", Source: true}, {What: told, Session: id, Note: "replay_upload_success"},
		}, map[string]outcome{id: {State: "done", Served: "v", Source: true, Marked: true, Trashed: 1}}
	}
	if wrong := check(good()); len(wrong) > 0 {
		t.Errorf("nothing is wrong: %v", wrong)
	}
	for want, spoil := range map[string]func(e []event, o *outcome) []event{
		"no MP4":         func(e []event, _ *outcome) []event { e[2].Video = ""; return e },
		"another MP4":    func(e []event, _ *outcome) []event { e[2].Video = "w"; return e },
		"something else": func(e []event, _ *outcome) []event { e[1].Source = false; return e },
		"went 2 times":   func(e []event, _ *outcome) []event { return append(e, e[2]) },
		"went 0 times":   func(e []event, _ *outcome) []event { return slices.Delete(e, 2, 3) },
		"2 different MP4s": func(e []event, _ *outcome) []event {
			return append(e, event{What: sent, Session: id, Video: "w", Source: true})
		},
		"more than once":          func(e []event, _ *outcome) []event { return append(e, e[3]) },
		"a session that never":    func(e []event, _ *outcome) []event { return append(e, event{What: sent, Session: "other"}) },
		"that nobody sent":        func(e []event, o *outcome) []event { o.Served = "w"; return e },
		"does not serve":          func(e []event, o *outcome) []event { o.Served = ""; return e },
		"its task is":             func(e []event, o *outcome) []event { o.State = "failed"; return e },
		"has a replay":            func(e []event, o *outcome) []event { o.Marked = false; return e },
		"in the trash 0 times":    func(e []event, o *outcome) []event { o.Trashed = 0; return e },
		"still in its place: tru": func(e []event, o *outcome) []event { o.Original = true; return e },
		"left over: x":            func(e []event, o *outcome) []event { o.Left = []string{"x"}; return e },
	} {
		events, ends := good()
		end := ends[id]
		events = spoil(events, &end)
		ends[id] = end
		if wrong := strings.Join(check(events, ends), "\n"); !strings.Contains(wrong, want) {
			t.Errorf("the checker does not find %q: %s", want, wrong)
		}
	}
}
