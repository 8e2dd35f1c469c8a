// Package metrics shows the agent to Prometheus.
//
// [Metrics] counts what happens (it is the pool's observer and is told of
// each call to core and to the replay storage) and, when it is scraped, looks at how things stand. All
// names begin with jumpserver_video_; the dashboard and the alert rules in
// packaging/ use them.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// Path is where Prometheus finds the metrics.
const Path = "/metrics"

const namespace = "jumpserver_video"

// Build identifies the program.
type Build struct{ Version, Commit, Date string }

// Metrics counts what the agent does.
type Metrics struct {
	registry *prometheus.Registry

	stages   *prometheus.HistogramVec
	ended    *prometheus.CounterVec
	bytesIn  prometheus.Counter
	bytesOut prometheus.Counter
	saved    prometheus.Counter
	frames   prometheus.Counter
	length   prometheus.Counter
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
			Namespace: namespace, Name: to + "_requests_total", Help: "Calls to " + server + " by outcome, repetitions not counted.",
		}, []string{"call", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: to + "_request_duration_seconds", Help: "How long calls to " + server + " took, repetitions and all.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 9), // 10 ms to 11 min
		}, []string{"call"}),
	}
}

func (c calls) ended(call, outcome string, took time.Duration) {
	c.requests.WithLabelValues(call, outcome).Inc()
	c.durations.WithLabelValues(call).Observe(took.Seconds())
}

// New makes the counters and those of the process.
func New(build Build) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "stage_duration_seconds", Help: "How long tasks stayed in each state of work.",
			Buckets: prometheus.ExponentialBuckets(0.05, 3, 12), // 50 ms to 2.5 h
		}, []string{"stage"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "task_attempts_total", Help: "Attempts at tasks by the state and reason that they ended with.",
		}, []string{"state", "reason"}),
		bytesIn:  counter("recording_bytes_total", "Size of the recordings converted."),
		bytesOut: counter("video_bytes_total", "Size of the MP4s made."),
		saved:    counter("saved_bytes_total", "Bytes by which MP4s are smaller than their recordings."),
		frames:   counter("video_frames_total", "Frames in the MP4s made."),
		length:   counter("video_duration_seconds_total", "Playing time of the MP4s made."),
		core:     newCalls("core", "core"),
		storage:  newCalls("storage", "the replay storage, if it is a bucket,"),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "date": build.Date, "goversion": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(info, m.stages, m.ended, m.bytesIn, m.bytesOut, m.saved, m.frames, m.length,
		m.core.requests, m.core.durations, m.storage.requests, m.storage.durations,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds how things stand to what is shown. It is called once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(&standing{s}) }

// Handler answers a scrape. It does no guarding.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 3, Timeout: 20 * time.Second})
}

// Stage implements [task.Observer].
func (m *Metrics) Stage(state queue.State, took time.Duration) {
	m.stages.WithLabelValues(string(state)).Observe(took.Seconds())
}

// Ended implements [task.Observer]. An MP4 that was in place already
// counts as an attempt and not as a conversion.
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
}

// Core is told of a call to core; see [coreapi.Options].
func (m *Metrics) Core(call, outcome string, took time.Duration) { m.core.ended(call, outcome, took) }

// Storage is told of a call to the replay storage; see [storage.Observed].
func (m *Metrics) Storage(call, outcome string, took time.Duration) {
	m.storage.ended(call, outcome, took)
}

// Sources are asked at each scrape. Those that may be nil are left out then.
type Sources struct {
	Tasks    func(context.Context) ([]queue.Task, error)
	Settling func() []task.View // recordings found and not yet queued; may be nil
	Core     func() coreapi.State
	Volume   func() watcher.Status // nil = no volume
	// Bucket is how the replay storage stands that is a bucket; false when
	// it is none. May be nil.
	Bucket func() (bucket.Status, bool)
	CPU    func() throttle.Status
	Disks  map[string]func() health.Space // by what is on them
	Health func() health.Conditions
}
