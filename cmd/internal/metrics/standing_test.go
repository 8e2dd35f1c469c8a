package metrics

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// idle returns metrics of an agent that does nothing yet, and its tasks.
func idle() (m *Metrics, tasks *[]*queue.Task) {
	m, tasks = New(Build{}), new([]*queue.Task)
	m.Watch(Sources{
		Tasks: func(context.Context) ([]*queue.Task, error) { return *tasks, nil }, Core: func() coreapi.State { return coreapi.State{} },
		Health: func() health.Conditions { return nil }, Work: func() health.Work { return health.Work{Retrying: 1, Reason: task.ClassDiskFull} },
		Incomplete: func(context.Context) (int, error) { return 0, nil },
		Spool:      func() (map[upload.Place]upload.Usage, time.Time) { return nil, time.Time{} },
		Trash:      func() (cleanup.TrashUsage, time.Time) { return cleanup.TrashUsage{}, time.Time{} },
	})
	return m, tasks
}

// TestWhatIsNotKnownIsNotShown: a value that was never measured is not 0, and work is
// not held up if some tasks can finish.
func TestWhatIsNotKnownIsNotShown(t *testing.T) {
	m, _ := idle()
	text := scrape(t, m)
	for _, name := range []string{"held", "spool_", "trash_", "usage_"} {
		if strings.Contains(text, "\njumpserver_video_"+name) {
			t.Errorf("%s is shown:\n%s", name, text)
		}
	}
	for _, want := range []string{"last_success_timestamp_seconds 0", "incomplete_videos 0"} {
		if !strings.Contains(text, "\njumpserver_video_"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

// TestTheLastSuccessStays: the time of the last success stays, also when its task is retried
// or deleted.
func TestTheLastSuccessStays(t *testing.T) {
	m, tasks := idle()
	done := &queue.Task{State: queue.StateDone, Updated: time.Unix(6000, 0)}
	for i, now := range [][]*queue.Task{{done}, {{State: queue.StateQueued, Updated: time.Unix(7000, 0)}}, nil} {
		*tasks = now
		if text := scrape(t, m); !strings.Contains(text, "\njumpserver_video_last_success_timestamp_seconds 6000\n") {
			t.Errorf("%d: %s", i, text)
		}
	}
}

// TestSeriesOfFailuresExistFromTheStart: a rate does not include the event with which a
// series begins.
func TestSeriesOfFailuresExistFromTheStart(t *testing.T) {
	m, _ := idle()
	m.Notifies("webhook")
	text := scrape(t, m)
	for _, want := range []string{
		`task_attempts_total{reason="encoder",state="failed"}`, `uploads_total{reason="",result="accepted"}`, `uploads_total{reason="disk_full",result="refused"}`,
		`uploads_total{reason="expired",result="abandoned"}`, `notifications_total{result="failed",service="webhook"}`,
	} {
		if !strings.Contains(text, "\njumpserver_video_"+want+" 0\n") {
			t.Errorf("no %s", want)
		}
	}
	m.Upload(upload.Refused, "disk_full")
	m.Upload(upload.Failed, "differs")
	m.Notification("webhook", false)
	text = scrape(t, m)
	for _, want := range []string{
		`uploads_total{reason="disk_full",result="refused"}`, `uploads_total{reason="differs",result="failed"}`, `notifications_total{result="failed",service="webhook"}`,
	} {
		if !strings.Contains(text, "\njumpserver_video_"+want+" 1\n") {
			t.Errorf("no %s", want)
		}
	}
}
