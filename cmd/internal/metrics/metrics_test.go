package metrics

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// busy returns metrics in which every series has a value.
func busy(tasks []queue.Task, err error) *Metrics {
	m := New(Build{Version: "v1.2.3", Commit: "abc", Date: "2026-11-22"})
	m.Watch(Sources{
		Tasks: func(context.Context) (all []*queue.Task, _ error) {
			for i := range tasks {
				all = append(all, &tasks[i])
			}
			return all, err
		},
		Settling: func() []task.View { return make([]task.View, 2) },
		Core: func() coreapi.State {
			return coreapi.State{Registered: true, Online: true, LastBeat: time.Unix(1000, 5e8)}
		},
		Volume: func() watcher.Status {
			return watcher.Status{Available: true, LastPoll: time.Unix(2000, 0), Names: map[recording.Class]int{recording.ClassVideo: 7}}
		},
		Bucket: func() (bucket.Status, bool) {
			return bucket.Status{Available: true, LastSweep: time.Unix(3000, 0), Cost: storage.Usage{Requests: 9, Sent: 70, Received: 80}, SweepCost: storage.Usage{Requests: 4}}, true
		},
		CPU: func() throttle.Status {
			return throttle.Status{Target: 80, Budget: 60, Ours: 40, Others: 20, Speed: .7, Inside: true}
		},
		Health: func() health.Conditions {
			return health.Conditions{{Part: health.Core, OK: true}, {Part: health.Spool, Reason: "not enough room for uploads"}}
		},
		Work:       func() health.Work { return health.Work{Held: true, Reason: task.ClassDiskFull} },
		Incomplete: func(context.Context) (int, error) { return 3, err },
		Spool: func() (map[upload.Place]upload.Usage, time.Time) {
			return map[upload.Place]upload.Usage{upload.PlaceWaiting: {Uploads: 2, Bytes: 300}}, time.Unix(4000, 0)
		},
		Trash: func() (cleanup.TrashUsage, time.Time) {
			return cleanup.TrashUsage{Expiring: cleanup.Usage{Originals: 5, Bytes: 600}, Kept: cleanup.Usage{Originals: 1, Bytes: 7}}, time.Unix(5000, 0)
		},
		Disks: map[string]func() health.Space{"data": func() health.Space { return health.Space{Total: 100, Free: 40} }},
	})
	return m
}

// TestNames: names, units and help texts follow Prometheus's conventions.
func TestNames(t *testing.T) {
	m := busy([]queue.Task{{State: queue.StateQueued, Created: time.Now()}}, nil)
	m.Stage(queue.StateRendering, time.Second)
	m.Ended(task.View{State: queue.StateDone, Seconds: 1, Before: 10, After: 2, Frames: 3, Duration: 1000})
	m.Core("heartbeat", "ok", time.Second)
	m.Storage("put", "ok", time.Second)
	m.FFmpeg("join", time.Second)
	m.Notification("webhook", true)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTasksByStateAndReason(t *testing.T) {
	m := busy([]queue.Task{
		{State: queue.StateQueued, Created: time.Now().Add(-time.Hour)},
		{State: queue.StateDone, Created: time.Now().Add(-24 * time.Hour), Updated: time.Unix(6000, 0)},
		{State: queue.StateDone, Created: time.Now().Add(-24 * time.Hour), Updated: time.Unix(5999, 0)},
		{State: queue.StateFailed, Reason: "encoder"}, {State: queue.StateFailed, Reason: "encoder"}, {State: queue.StateFailed, Reason: "verification", Updated: time.Unix(7000, 0)},
	}, nil)
	text := scrape(t, m)
	for _, want := range []string{
		`jumpserver_video_tasks{reason="",state="settling"} 2`,
		`jumpserver_video_tasks{reason="",state="queued"} 1`,
		`jumpserver_video_tasks{reason="",state="rendering"} 0`,
		`jumpserver_video_tasks{reason="encoder",state="failed"} 2`,
		`jumpserver_video_tasks{reason="verification",state="failed"} 1`,
		`jumpserver_video_last_success_timestamp_seconds 6000`,
		`jumpserver_video_incomplete_videos 3`,
		`jumpserver_video_held{reason="disk_full"} 1`,
		`jumpserver_video_spool_bytes{place="waiting"} 300`,
		`jumpserver_video_spool_bytes{place="kept"} 0`,
		`jumpserver_video_spool_uploads{place="waiting"} 2`,
		`jumpserver_video_trash_bytes{place="expiring"} 600`,
		`jumpserver_video_trash_bytes{place="kept"} 7`,
		`jumpserver_video_trash_originals{place="expiring"} 5`,
		`jumpserver_video_usage_measured_timestamp_seconds{of="spool"} 4000`,
		`jumpserver_video_usage_measured_timestamp_seconds{of="trash"} 5000`,
		`jumpserver_video_queue_up 1`,
		`jumpserver_video_core_registered 1`,
		`jumpserver_video_core_last_heartbeat_timestamp_seconds 1000.5`,
		`jumpserver_video_volume_last_scan_timestamp_seconds{scan="recent"} 2000`,
		`jumpserver_video_volume_last_scan_timestamp_seconds{scan="all"} 0`,
		`jumpserver_video_volume_files{kind="video"} 7`,
		`jumpserver_video_cpu_use_ratio{by="agent"} 0.4`,
		`jumpserver_video_cpu_budget_ratio 0.6`,
		`jumpserver_video_cpu_speed_ratio 0.7`,
		`jumpserver_video_working_time 1`,
		`jumpserver_video_storage_up 1`,
		`jumpserver_video_storage_last_sweep_timestamp_seconds 3000`,
		`jumpserver_video_storage_http_requests_total 9`,
		`jumpserver_video_storage_bytes_total{direction="received"} 80`,
		`jumpserver_video_storage_sweep_requests 4`,
		`jumpserver_video_filesystem_free_bytes{holds="data"} 40`,
		`jumpserver_video_build_info{commit="abc",date="2026-11-22",goversion=`,
		`jumpserver_video_condition{part="core"} 1`,
		`jumpserver_video_condition{part="spool"} 0`,
		"process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	age, err := testutil.GatherAndCount(m.registry, "jumpserver_video_oldest_open_task_age_seconds")
	if err != nil || age != 1 || !strings.Contains(text, "jumpserver_video_oldest_open_task_age_seconds 3600") {
		t.Errorf("the oldest open task is an hour old; a done task is not counted (%v)\n%s", err, text)
	}
}

func TestAQueueThatDoesNotAnswer(t *testing.T) {
	text := scrape(t, busy(nil, errors.New("gone")))
	if !strings.Contains(text, "jumpserver_video_queue_up 0") || strings.Contains(text, "jumpserver_video_tasks{") ||
		strings.Contains(text, "jumpserver_video_last_success") || strings.Contains(text, "jumpserver_video_incomplete_videos ") {
		t.Error(text)
	}
}

// TestSaved: the space that an MP4 saves is counted once. An MP4 that existed before is
// not counted, and a larger one subtracts nothing, because counters only grow.
func TestSaved(t *testing.T) {
	m := busy(nil, nil)
	m.Ended(task.View{State: queue.StateDone, Seconds: 2, Before: 1000, After: 100, Frames: 30, Duration: 2500})
	m.Ended(task.View{State: queue.StateDone, Seconds: 2, Before: 10, After: 20, Frames: 1, Duration: 500})
	m.Ended(task.View{State: queue.StateDone, Before: 5000, After: 500, Frames: 30, Duration: 2500})
	m.Ended(task.View{State: queue.StateFailed, Reason: "encoder", Before: 5000})
	m.Core("upload_replay", "unavailable", time.Second)
	m.Storage("put", "full", time.Second)
	text := scrape(t, m)
	for _, want := range []string{
		"jumpserver_video_recording_bytes_total 1010", "jumpserver_video_video_bytes_total 120", "jumpserver_video_saved_bytes_total 900",
		"jumpserver_video_video_frames_total 31", "jumpserver_video_video_duration_seconds_total 3",
		`jumpserver_video_task_attempts_total{reason="",state="done"} 3`, `jumpserver_video_task_attempts_total{reason="encoder",state="failed"} 1`,
		`jumpserver_video_core_requests_total{call="upload_replay",outcome="unavailable"} 1`,
		`jumpserver_video_storage_requests_total{call="put",outcome="full"} 1`, `jumpserver_video_storage_request_duration_seconds_sum{call="put"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", Path, nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d, %v\n%s", w.Code, err, text)
	}
	return string(text)
}
