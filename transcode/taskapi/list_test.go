package taskapi

import (
	"context"
	"encoding/csv"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi/tasktest"
)

// stocked returns a server with a queue of these tasks, and a client of it.
func stocked(t testing.TB, tasks []queue.Task) (*Server, *Client) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "queue")
	if err != nil {
		t.Fatal(err)
	}
	if err := tasktest.Stock(context.Background(), dir, tasks); err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(context.Background(), queue.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	api := &Server{Queue: q, TasksDir: t.TempDir(), Access: NewAccess("", nil), Log: slog.New(slog.DiscardHandler)}
	s := httptest.NewServer(api.Handler())
	t.Cleanup(s.Close)
	return api, &Client{Base: s.URL, HTTP: s.Client()}
}

// pages reads all pages of a filter, and returns the ids of the tasks and the total.
func pages(t *testing.T, c *Client, f Filter, limit int) (ids []string, total int) {
	t.Helper()
	cursor := ""
	for {
		page, err := c.List(t.Context(), f, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Tasks) > limit || page.Next != "" && len(page.Tasks) < limit {
			t.Fatalf("%d tasks in a page of %d, next %q", len(page.Tasks), limit, page.Next)
		}
		for _, v := range page.Tasks {
			ids = append(ids, v.ID)
		}
		if cursor = page.Next; cursor == "" {
			return ids, page.Total
		}
	}
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tasks := tasktest.Tasks(400, now)
	api, c := stocked(t, tasks)
	api.Settling = func() []task.View {
		var views []task.View
		for i := range 5 {
			views = append(views, task.View{ID: strings.Repeat(string(rune('a'+i)), 36), State: queue.StateSettling, Path: "2026-11-22/x", Created: now, Updated: now})
		}
		return views
	}
	count := func(want func(queue.Task, task.Session) bool) (n int) {
		for _, item := range tasks {
			if want(item, *task.JournalOf(item.Data).Session) {
				n++
			}
		}
		return n
	}
	day := tasks[399].Created.Add(-2 * time.Hour)
	for name, tc := range map[string]struct {
		filter Filter
		want   int
	}{
		"all":      {Filter{}, 405},
		"states":   {Filter{States: []queue.State{queue.StateFailed, queue.StateRetrying}}, 40},
		"settling": {Filter{States: []queue.State{queue.StateSettling}}, 5},
		"reason":   {Filter{Reason: task.ClassVerify}, 20},
		"user":     {Filter{User: "петрова"}, 80},
		"asset":    {Filter{Asset: "财务"}, count(func(_ queue.Task, s task.Session) bool { return strings.Contains(s.Asset, "财务") })},
		"text":     {Filter{Text: " IVANOV"}, 80},
		"an id":    {Filter{Text: tasks[7].ID[:13]}, 1},
		"period":   {Filter{From: day, To: day.Add(time.Hour)}, 60},
		"user and state": {Filter{User: "smith", States: []queue.State{queue.StateDone}},
			count(func(item queue.Task, s task.Session) bool {
				return s.User == "Smith(smith)" && item.State == queue.StateDone
			})},
		"nothing": {Filter{Text: "nobody"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []int{1, 7, 20, 1000} {
				if limit == 1 && tc.want > 100 {
					continue
				}
				ids, total := pages(t, c, tc.filter, limit)
				seen := map[string]bool{}
				for _, id := range ids {
					seen[id] = true
				}
				if len(ids) != tc.want || len(seen) != tc.want || total != tc.want {
					t.Errorf("by %d: %d tasks, %d of them different, total %d, want %d", limit, len(ids), len(seen), total, tc.want)
				}
			}
			views, err := c.All(t.Context(), tc.filter)
			if err != nil || len(views) != tc.want {
				t.Errorf("at once: %d, %v", len(views), err)
			}
			if n, err := api.Count(t.Context(), tc.filter); err != nil || n != tc.want {
				t.Errorf("counted: %d, %v", n, err)
			}
		})
	}
	ids, _ := pages(t, c, Filter{States: []queue.State{queue.StateDone, queue.StateFailed}}, 50)
	if ids[0] != tasks[399].ID {
		t.Errorf("the latest change is not first: %s", ids[0])
	}
}

// TestATaskThatChangesMeanwhileIsNotLost: tasks after the cursor stay there, and a task
// that did not change is not shown twice.
func TestATaskThatChangesMeanwhileIsNotLost(t *testing.T) {
	tasks := tasktest.Tasks(60, time.Now())
	api, c := stocked(t, tasks)
	first, err := c.List(t.Context(), Filter{}, "", 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []task.View{first.Tasks[0], first.Tasks[19]} {
		if err := api.Queue.Retry(t.Context(), v.ID); err != nil {
			t.Fatal(err)
		}
	}
	second, err := c.List(t.Context(), Filter{}, first.Next, 100)
	if err != nil || len(second.Tasks) != 40 || second.Tasks[0].ID != tasks[39].ID {
		t.Errorf("%d tasks, %v", len(second.Tasks), err)
	}
}

func TestWhatNoListCanBe(t *testing.T) {
	_, c := stocked(t, tasktest.Tasks(3, time.Now()))
	for _, query := range []string{"state=dome", "limit=0", "limit=100000", "limit=x", "cursor=x&limit=5", "cursor=%00", "from=yesterday", "from=2026-02-02&to=2026-02-01",
		"incomplete=perhaps", "q=" + strings.Repeat("x", 300)} {
		resp, err := c.Get(t.Context(), Prefix+"/tasks?"+query)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", query, resp.Status)
		}
	}
}

func TestDaysAreThoseOfTheAgent(t *testing.T) {
	begins, ends, err := ParsePeriod(url.Values{"day": {"2026-10-25"}})
	if err != nil || !begins.Equal(time.Date(2026, 10, 25, 0, 0, 0, 0, time.Local)) || !ends.Equal(time.Date(2026, 10, 26, 0, 0, 0, 0, time.Local)) {
		t.Errorf("%v to %v, %v", begins, ends, err)
	}
}

func TestTasksAreNamedByHowTheirIDsBegin(t *testing.T) {
	tasks := tasktest.Tasks(3, time.Now())
	tasks[0].ID = "57d1fd34-0000-4000-8000-000000000000"
	tasks[1].ID = "57d1ffff-0000-4000-8000-000000000000"
	api, c := stocked(t, tasks)
	for prefix, want := range map[string]string{"57d1fd": tasks[0].ID, "57D1FF": tasks[1].ID, tasks[0].ID: tasks[0].ID, "57d1": CodeAmbiguous, "57d": CodeNotFound, "ffff": CodeNotFound} {
		v, err := c.Task(t.Context(), prefix)
		got := v.ID
		if p, ok := err.(*Problem); ok {
			got = p.Code
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", prefix, got, err, want)
		}
	}
	if err := c.Retry(t.Context(), "57d1fd", ""); err != nil {
		t.Error(err)
	}
	if item, err := api.Queue.Get(t.Context(), tasks[0].ID); err != nil || item.State != queue.StateQueued {
		t.Errorf("%v %v", item.State, err)
	}
}

func TestNamesCanBeHidden(t *testing.T) {
	_, c := stocked(t, tasktest.Tasks(3, time.Now()))
	views, err := c.Tasks(t.Context())
	if err != nil || views[0].Session == nil || views[0].Session.User == "" {
		t.Fatalf("%+v %v", views, err)
	}
	api, hiding := stocked(t, tasktest.Tasks(3, time.Now()))
	api.HideNames = true
	views, err = hiding.Tasks(t.Context())
	if err != nil || views[0].Session != nil {
		t.Errorf("%+v %v", views[0].Session, err)
	}
	if found, err := hiding.All(t.Context(), Filter{User: "i"}); err != nil || len(found) > 0 {
		t.Errorf("hidden names are found: %d, %v", len(found), err)
	}
}

// TestNoCellIsAFormula: names come from outside, and spreadsheets run cells that begin with
// certain characters.
func TestNoCellIsAFormula(t *testing.T) {
	evil := []string{`=HYPERLINK("http://x")`, "+1", "-1", "@SUM(1)", "\tx", "|calc", "%x"}
	tasks := tasktest.Tasks(len(evil), time.Now())
	for i := range tasks {
		j := task.JournalOf(tasks[i].Data)
		j.Session.User, j.Session.Account = evil[i], evil[i]
		tasks[i].Data, tasks[i].Error = task.Encode(j), evil[i]
	}
	_, c := stocked(t, tasks)
	resp, err := c.Get(t.Context(), Prefix+"/tasks?format=csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	mark := make([]byte, len(CSVMark))
	if _, err := resp.Body.Read(mark); err != nil || string(mark) != CSVMark {
		t.Errorf("begins with %q", mark)
	}
	rows, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil || len(rows) != len(evil)+1 || len(rows[1]) != len(CSVColumns) {
		t.Fatalf("%q, %v", rows, err)
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r|%") {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
}

// BenchmarkFirstPage measures the first page of a hundred thousand tasks.
func BenchmarkFirstPage(b *testing.B) {
	_, c := stocked(b, tasktest.Tasks(100_000, time.Now()))
	for name, f := range map[string]Filter{
		"all": {}, "failed": {States: []queue.State{queue.StateFailed}}, "user": {User: "ivanov"}, "nobody": {Text: "nobody is called that"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.List(b.Context(), f, "", 50); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
