// Package metrics provides the agent's metrics for Prometheus.
//
// [Metrics] counts events: it is the pool's observer, and is notified of each call to
// core and to the replay storage. At each scrape it also reads the current state. All
// names begin with jumpserver_video_; the dashboard and the alert rules in packaging/
// use them.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// Path is the URL path of the metrics.
const Path = "/metrics"

const namespace = "jumpserver_video"

// Build identifies the program.
type Build struct{ Version, Commit, Date string }

// Metrics counts events of the agent.
type Metrics struct {
	registry *prometheus.Registry

	stages   *prometheus.HistogramVec
	ended    *prometheus.CounterVec
	bytesIn  prometheus.Counter
	bytesOut prometheus.Counter
	saved    prometheus.Counter
	frames   prometheus.Counter
	length   prometheus.Counter
	ffmpeg   *prometheus.CounterVec
	uploads  *prometheus.CounterVec
	notified *prometheus.CounterVec
	delay    prometheus.Histogram
	core     calls
	storage  calls
}

// calls counts calls to a server.
type calls struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newCalls(to, server string) calls {
	return calls{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: to + "_requests_total", Help: "Calls to " + server + " by outcome; retries are not counted.",
		}, []string{"call", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: to + "_request_duration_seconds", Help: "How long calls to " + server + " took, including retries.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 9), // 10 ms to 11 min
		}, []string{"call"}),
	}
}

func (c calls) ended(call, outcome string, took time.Duration) {
	c.requests.WithLabelValues(call, outcome).Inc()
	c.durations.WithLabelValues(call).Observe(took.Seconds())
}

// New creates the counters, and the metrics of the process.
func New(build Build) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "stage_duration_seconds", Help: "How long tasks were in each state in which they are processed.",
			Buckets: prometheus.ExponentialBuckets(0.05, 3, 12), // 50 ms to 2.5 h
		}, []string{"stage"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "task_attempts_total", Help: "Attempts at tasks by the state and reason with which they ended.",
		}, []string{"state", "reason"}),
		bytesIn:  counter("recording_bytes_total", "Size of the recordings converted."),
		bytesOut: counter("video_bytes_total", "Size of the MP4s that were made."),
		saved:    counter("saved_bytes_total", "Bytes by which MP4s are smaller than their recordings."),
		frames:   counter("video_frames_total", "Frames in the MP4s that were made."),
		length:   counter("video_duration_seconds_total", "Playing time of the MP4s that were made."),
		ffmpeg: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "ffmpeg_cpu_seconds_total", Help: "CPU time of ffmpeg, by the purpose that it was started for.",
		}, []string{"step"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "session_to_video_seconds",
			Help:    "Time from the end of a session to its MP4; excludes recordings that were found more than a day later.",
			Buckets: []float64{5, 10, 20, 30, 45, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 72 * 3600},
		}),
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "uploads_total",
			Help: "Uploads from Lion and Razor by result: first accepted, refused or abandoned; later published (core has the MP4), as_is, unwanted or failed.",
		}, []string{"result", "reason"}),
		notified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "notifications_total", Help: "Attempts to send a notification, by service and result: sent or failed.",
		}, []string{"service", "result"}),
		core:    newCalls("core", "core"),
		storage: newCalls("storage", "the replay storage (if it is a bucket)"),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels identify the build.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "date": build.Date, "goversion": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(info, m.stages, m.ended, m.bytesIn, m.bytesOut, m.saved, m.frames, m.length, m.ffmpeg, m.uploads, m.notified, m.delay,
		m.core.requests, m.core.durations, m.storage.requests, m.storage.durations,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin creates the series that alerts use. If a series appears with its first event,
// a rate over the series does not include that event.
func (m *Metrics) begin() {
	for _, r := range task.Reasons {
		m.ended.WithLabelValues(string(queue.StateFailed), string(r.Class))
	}
	for _, result := range []upload.Result{upload.Accepted, upload.Published, upload.AsIs, upload.Unwanted} {
		m.uploads.WithLabelValues(string(result), "")
	}
	for result, reasons := range upload.Reasons {
		for _, reason := range reasons {
			m.uploads.WithLabelValues(string(result), reason)
		}
	}
}

// Watch adds metrics of the current state. It must be called at most once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(&standing{Sources: s}) }

// Handler responds to a scrape. The caller must check who sends the request.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 3, Timeout: 20 * time.Second})
}

// Stage implements [task.Observer].
func (m *Metrics) Stage(state queue.State, took time.Duration) {
	m.stages.WithLabelValues(string(state)).Observe(took.Seconds())
}

// Ended implements [task.Observer]. An MP4 that existed already is an attempt, not a
// conversion.
func (m *Metrics) Ended(v task.View) {
	m.ended.WithLabelValues(string(v.State), string(v.Reason)).Inc()
	if !v.Converted() {
		return
	}
	m.bytesIn.Add(float64(v.Before))
	m.bytesOut.Add(float64(v.After))
	m.saved.Add(float64(max(0, v.Before-v.After)))
	m.frames.Add(float64(v.Frames))
	m.length.Add(float64(v.Duration) / 1000)
	if took, ok := v.SinceSession(); ok {
		m.delay.Observe(took.Seconds())
	}
}

// Core records a call to core; see [coreapi.Options].
func (m *Metrics) Core(call, outcome string, took time.Duration) { m.core.ended(call, outcome, took) }

// FFmpeg records an ffmpeg that has ended; see Tool of package video.
func (m *Metrics) FFmpeg(step string, cpu time.Duration) {
	m.ffmpeg.WithLabelValues(step).Add(cpu.Seconds())
}

// Upload records a result of an upload; see Spool.Count of package upload.
func (m *Metrics) Upload(result upload.Result, reason string) {
	m.uploads.WithLabelValues(string(result), reason).Inc()
}

// Notification records an attempt to send a notification.
func (m *Metrics) Notification(service string, sent bool) {
	result := "failed"
	if sent {
		result = "sent"
	}
	m.notified.WithLabelValues(service, result).Inc()
}

// Notifies creates the series of a service that receives notifications.
func (m *Metrics) Notifies(service string) {
	m.notified.WithLabelValues(service, "sent")
	m.notified.WithLabelValues(service, "failed")
}

// Storage records a call to the replay storage; see [storage.Observed].
func (m *Metrics) Storage(call, outcome string, took time.Duration) {
	m.storage.ended(call, outcome, took)
}

// Sources return the current state at each scrape. A source that is nil is left out.
type Sources struct {
	Tasks    func(context.Context) ([]*queue.Task, error)
	Settling func() []task.View // recordings that were found, but are not queued yet; may be nil
	Core     func() coreapi.State
	Volume   func() watcher.Status // nil = no volume
	// Bucket returns the state of the replay storage; false if that is not a bucket. It
	// may be nil.
	Bucket func() (bucket.Status, bool)
	CPU    func() throttle.Status
	Disks  map[string]func() health.Space // by their content
	Health func() health.Conditions
	Work   func() health.Work
	// Incomplete counts the tasks whose MP4 may lack a part of the recording.
	Incomplete func(context.Context) (int, error)
	// Spool and Trash return the last measurement of their content, and its time, which
	// is zero before the first one. Trash may be nil.
	Spool func() (map[upload.Place]upload.Usage, time.Time)
	Trash func() (cleanup.TrashUsage, time.Time)
}
