package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// newHandler is everything that the agent answers over HTTP.
func newHandler(component *coreapi.Component, volume *watcher.Watcher, stored *replays, shown *site, uploaded *uploads) http.Handler {
	mux := http.NewServeMux()
	well := &health{component: component, tasks: shown.tasks, volume: volume, stored: stored, uploaded: uploaded}
	mux.Handle("GET /video-worker/health/{$}", well)
	mux.Handle("GET /video-worker/health", well)
	uploaded.server.Register(mux)
	shown.register(mux)
	return upload.Routes(mux)
}

// settlingViews shows recordings that the watcher has found and still waits for.
func settlingViews(volume *watcher.Watcher) []task.View {
	var views []task.View
	for _, c := range volume.Settling() {
		views = append(views, task.View{
			ID: c.Session, State: queue.StateSettling, Path: c.Path, Before: c.Size, Created: c.ModTime, Updated: c.ModTime,
		})
	}
	return views
}

// health answers whether the agent can do its work: 200, or 503 with reasons.
type health struct {
	component *coreapi.Component
	tasks     *queue.Queue
	volume    *watcher.Watcher
	stored    *replays
	uploaded  *uploads
}

// healthReport is the body of a health answer.
type healthReport struct {
	Status  string   `json:"status"` // ok or unhealthy
	Name    string   `json:"name"`   // as registered with core
	Reasons []string `json:"reasons,omitempty"`
}

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	state := h.component.State()
	report := healthReport{Status: "ok", Name: state.Name}
	if !state.Registered {
		report.Reasons = append(report.Reasons, "not registered with core")
	}
	if err := h.tasks.Trouble(); err != nil {
		report.Reasons = append(report.Reasons, err.Error())
	}
	if h.volume != nil {
		if s := h.volume.Status(); !s.Available && s.Reason != "" {
			report.Reasons = append(report.Reasons, "replay volume: "+s.Reason)
		}
	}
	if reason := h.stored.trouble(); reason != "" {
		report.Reasons = append(report.Reasons, "replay storage: "+reason)
	}
	report.Reasons = append(report.Reasons, h.uploaded.trouble()...)
	status := http.StatusOK
	if len(report.Reasons) > 0 {
		report.Status, status = "unhealthy", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}

// serve answers HTTP until ctx ends. It closes serving when it listens.
func serve(ctx context.Context, cfg config.Config, log *slog.Logger, handler http.Handler, serving chan<- struct{}) error {
	addr := net.JoinHostPort(cfg.BindHost, strconv.Itoa(int(cfg.Port)))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on BIND_HOST:HTTPD_PORT: %w", err)
	}
	listener = upload.LimitListener(listener, log)
	if cfg.TLSCert != "" {
		c, err := newCertificate(cfg.TLSCert, cfg.TLSKey, log)
		if err != nil {
			listener.Close()
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{GetCertificate: c.get, NextProtos: []string{"http/1.1"}})
	}
	close(serving)
	log.Info("listening", "address", listener.Addr().String(), "tls", cfg.TLSCert != "", "health", "/video-worker/health/")
	// Event channels are not among the requests that a shutdown waits for: they
	// end with this.
	channels, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	// There is no limit to a whole request: uploads may take hours.
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return channels },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("http server: %w", err)
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stopCtx); err != nil {
		server.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http server: %w", err)
	}
	return nil
}
