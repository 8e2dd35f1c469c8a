package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestFromSessionToVideo: recordings that were found long after their session, and those
// that were not converted, are not in the histogram.
func TestFromSessionToVideo(t *testing.T) {
	m := New(Build{})
	ended := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	made := func(found, took time.Duration, change func(*task.View)) {
		v := task.View{State: queue.StateDone, Seconds: 1, Ended: &ended, Created: ended.Add(found), Updated: ended.Add(took)}
		change(&v)
		m.Ended(v)
	}
	as := func(*task.View) {}
	made(10*time.Second, 40*time.Second, as)
	made(time.Hour, 3*time.Hour, as)
	made(-time.Second, -time.Second, as)                       // clocks differ
	made(25*time.Hour, 26*time.Hour, as)                       // found long after the session
	made(0, time.Minute, func(v *task.View) { v.Ended = nil }) // an agent of an earlier release
	made(0, time.Minute, func(v *task.View) { v.Seconds = 0 }) // the MP4 existed already
	made(0, time.Minute, func(v *task.View) { v.State = "failed" })
	const want = `
		# HELP jumpserver_video_session_to_video_seconds Time from the end of a session to its MP4; excludes recordings that were found more than a day later.
		# TYPE jumpserver_video_session_to_video_seconds histogram
		jumpserver_video_session_to_video_seconds_bucket{le="5"} 1
		jumpserver_video_session_to_video_seconds_bucket{le="10"} 1
		jumpserver_video_session_to_video_seconds_bucket{le="20"} 1
		jumpserver_video_session_to_video_seconds_bucket{le="30"} 1
		jumpserver_video_session_to_video_seconds_bucket{le="45"} 2
		jumpserver_video_session_to_video_seconds_bucket{le="60"} 2
		jumpserver_video_session_to_video_seconds_bucket{le="120"} 2
		jumpserver_video_session_to_video_seconds_bucket{le="300"} 2
		jumpserver_video_session_to_video_seconds_bucket{le="600"} 2
		jumpserver_video_session_to_video_seconds_bucket{le="1800"} 2
		jumpserver_video_session_to_video_seconds_bucket{le="3600"} 2
		jumpserver_video_session_to_video_seconds_bucket{le="10800"} 3
		jumpserver_video_session_to_video_seconds_bucket{le="21600"} 3
		jumpserver_video_session_to_video_seconds_bucket{le="43200"} 3
		jumpserver_video_session_to_video_seconds_bucket{le="86400"} 3
		jumpserver_video_session_to_video_seconds_bucket{le="259200"} 3
		jumpserver_video_session_to_video_seconds_bucket{le="+Inf"} 3
		jumpserver_video_session_to_video_seconds_sum 10840
		jumpserver_video_session_to_video_seconds_count 3
	`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "jumpserver_video_session_to_video_seconds"); err != nil {
		t.Error(err)
	}
}
