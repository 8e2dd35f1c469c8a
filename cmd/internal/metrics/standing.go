package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// standing is a collector that reads the sources at each scrape.
type standing struct {
	Sources

	mu      sync.Mutex
	success time.Time // the latest one seen so far; guarded by mu
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	tasksDesc     = describe("tasks", "Tasks by state, and for failed, waiting and skipped ones also by reason.", "state", "reason")
	oldestDesc    = describe("oldest_open_task_age_seconds", "Age of the oldest task that is waiting or in progress; without sessions that have not ended; 0 if there is none.")
	successDesc   = describe("last_success_timestamp_seconds", "When core last got an MP4 from any agent of the queue; 0 if no task has this time.")
	lessDesc      = describe("incomplete_videos", "Tasks whose MP4 may lack a part of the recording: jumpserver-video tasks --incomplete lists them.")
	heldDesc      = describe("held", "1 while all work is held up for this reason; otherwise there is no series.", "reason")
	queueUpDesc   = describe("queue_up", "1 when the queue responds.")
	registered    = describe("core_registered", "1 when core accepts this agent's access key.")
	online        = describe("core_online", "1 when core shows this agent as online.")
	heartbeatDesc = describe("core_last_heartbeat_timestamp_seconds", "When core last accepted a heartbeat; 0 if never.")
	volumeUpDesc  = describe("volume_up", "1 when the replay volume is available.")
	scanDesc      = describe("volume_last_scan_timestamp_seconds", "When a scan of the replay volume last ended: of recent days, or of all; 0 if never.", "scan")
	filesDesc     = describe("volume_files", "Files on the replay volume by kind, as of the last time each day was read.", "kind")
	bucketUpDesc  = describe("storage_up", "1 when the replay storage, if it is a bucket, could be listed.")
	sweepDesc     = describe("storage_last_sweep_timestamp_seconds", "When a sweep of all days of the bucket last ended; 0 if never.")
	requestsDesc  = describe("storage_http_requests_total", "HTTP requests to the bucket since the agent began to use it, including retries: providers charge for these.")
	bytesDesc     = describe("storage_bytes_total", "Bytes sent to and received from the bucket since the agent began to use it.", "direction")
	sweepCostDesc = describe("storage_sweep_requests", "Requests of the last sweep of all days of the bucket.")
	conditionDesc = describe("condition", "1 when a part of the agent, or something that it depends on, is healthy; the health endpoint has the reason if not.", "part")
	speedDesc     = describe("cpu_speed_ratio", "Speed to which tasks are slowed down to stay within the budget, 1 = full speed.")
	hoursDesc     = describe("working_time", "1 when WORK_HOURS allows the agent to work at full speed.")
	targetDesc    = describe("cpu_target_ratio", "Share of the host's CPU that may be in use while the agent works.")
	budgetDesc    = describe("cpu_budget_ratio", "Share of the host's CPU that the agent may use now.")
	useDesc       = describe("cpu_use_ratio", "Share of the host's CPU in use: by the agent, and by others.", "by")
	sizeDesc      = describe("filesystem_size_bytes", "Size of the file systems that the agent works on.", "holds")
	freeDesc      = describe("filesystem_free_bytes", "Free space of the file systems that the agent works on.", "holds")
)

// Describe implements [prometheus.Collector].
func (*standing) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		tasksDesc, oldestDesc, successDesc, lessDesc, heldDesc, spoolBytesDesc, spoolUploadsDesc, trashBytesDesc, trashOriginalsDesc, measuredDesc, queueUpDesc, registered, online, heartbeatDesc, volumeUpDesc, scanDesc, filesDesc,
		bucketUpDesc, sweepDesc, requestsDesc, bytesDesc, sweepCostDesc,
		targetDesc, budgetDesc, speedDesc, hoursDesc, useDesc, sizeDesc, freeDesc, conditionDesc,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *standing) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	s.collectTasks(send)
	s.collectUsage(send)
	if w := s.Work(); w.Held {
		send(heldDesc, 1, string(w.Reason))
	}

	core := s.Core()
	send(registered, bit(core.Registered))
	send(online, bit(core.Online))
	send(heartbeatDesc, timestamp(core.LastBeat))

	if v, ok := s.volume(); ok {
		send(volumeUpDesc, bit(v.Available))
		send(scanDesc, timestamp(v.LastPoll), "recent")
		send(scanDesc, timestamp(v.LastSweep), "all")
		for class, n := range v.Names {
			send(filesDesc, float64(n), class.String())
		}
	}
	s.collectBucket(send, count)
	for _, c := range s.Health() {
		send(conditionDesc, bit(c.OK), string(c.Part))
	}
	if s.CPU != nil {
		u := s.CPU()
		send(targetDesc, float64(u.Target)/100)
		send(budgetDesc, u.Budget/100)
		send(speedDesc, u.Speed)
		send(hoursDesc, bit(u.Inside))
		send(useDesc, u.Ours/100, "agent")
		send(useDesc, u.Others/100, "others")
	}
	for holds, status := range s.Disks {
		if d := status(); d.Total > 0 {
			send(sizeDesc, float64(d.Total), holds)
			send(freeDesc, float64(d.Free), holds)
		}
	}
}

func (s *standing) collectBucket(send, count func(*prometheus.Desc, float64, ...string)) {
	if s.Bucket == nil {
		return
	}
	b, ok := s.Bucket()
	if !ok {
		return
	}
	send(bucketUpDesc, bit(b.Available))
	send(sweepDesc, timestamp(b.LastSweep))
	count(requestsDesc, float64(b.Cost.Requests))
	count(bytesDesc, float64(b.Cost.Sent), "sent")
	count(bytesDesc, float64(b.Cost.Received), "received")
	send(sweepCostDesc, float64(b.SweepCost.Requests))
}

func (s *standing) collectTasks(send func(*prometheus.Desc, float64, ...string)) {
	tasks, err := s.Tasks(context.Background())
	send(queueUpDesc, bit(err == nil))
	if err != nil {
		return
	}
	type key struct{ state, reason string }
	counts := map[key]int{}
	for _, state := range queue.States {
		counts[key{string(state), ""}] = 0 // series that exist from the start can be alerted on
	}
	var oldest time.Duration
	var success time.Time
	for _, t := range tasks {
		if t.State == queue.StateDone && t.Updated.After(success) {
			success = t.Updated
		}
		counts[key{string(t.State), string(t.Reason)}]++
		if !t.State.Final() && t.Reason != task.ClassSessionActive { // nothing to convert yet
			oldest = max(oldest, time.Since(t.Created))
		}
	}
	if s.Settling != nil {
		counts[key{string(queue.StateSettling), ""}] += len(s.Settling())
	}
	for k, n := range counts {
		send(tasksDesc, float64(n), k.state, k.reason)
	}
	send(oldestDesc, oldest.Seconds())
	send(successDesc, timestamp(s.latest(success)))
	if n, err := s.Incomplete(context.Background()); err == nil {
		send(lessDesc, float64(n))
	}
}

// latest returns the later one of a time of success and the times of earlier scrapes,
// because tasks that are retried or deleted lose theirs.
func (s *standing) latest(success time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if success.After(s.success) {
		s.success = success
	}
	return s.success
}

// volume returns the state of the replay volume; false if there is none.
func (s Sources) volume() (watcher.Status, bool) {
	if s.Volume == nil {
		return watcher.Status{}, false
	}
	v := s.Volume()
	return v, !v.None
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// timestamp returns a time in Prometheus's format; 0 for the zero time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
