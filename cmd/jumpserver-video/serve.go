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

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// newHandler is everything that the agent answers over HTTP.
func (a *agent) newHandler() http.Handler {
	mux := http.NewServeMux()
	health := &health{component: a.component, tasks: a.tasks, volume: a.volume, follower: a.follower, unfit: a.unfit}
	mux.Handle("GET /video-worker/health/{$}", health)
	mux.Handle("GET /video-worker/health", health)
	a.uploads.Register(mux)
	a.view.register(mux)
	return a.uploads.Routes(mux)
}

// health answers whether the agent can do its work: 200, or 503 with reasons.
type health struct {
	component *coreapi.Component
	tasks     *queue.Queue
	volume    *watcher.Watcher
	follower  *destination.Follower
	unfit     func() []string // what on this machine makes uploads impossible
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
	if err := h.follower.Trouble(); err != nil {
		report.Reasons = append(report.Reasons, "replay storage: "+err.Error())
	}
	report.Reasons = append(report.Reasons, h.unfit()...)
	status := http.StatusOK
	if len(report.Reasons) > 0 {
		report.Status, status = "unhealthy", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}

// listen opens the agent's port, for HTTPS when there is a certificate.
func (a *agent) listen(ctx context.Context) (net.Listener, error) {
	addr := net.JoinHostPort(a.cfg.BindHost, strconv.Itoa(int(a.cfg.Port)))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on BIND_HOST:HTTPD_PORT: %w", err)
	}
	if a.cfg.TLSCert == "" {
		return listener, nil
	}
	c, err := newCertificate(a.cfg.TLSCert, a.cfg.TLSKey, a.log)
	if err != nil {
		listener.Close()
		return nil, err
	}
	return tls.NewListener(listener, &tls.Config{GetCertificate: c.get, NextProtos: []string{"http/1.1"}}), nil
}

// serve answers HTTP until ctx ends. It closes serving when it listens.
func (a *agent) serve(ctx context.Context) error {
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	close(a.serving)
	a.log.Info("listening", "address", listener.Addr().String(), "tls", a.cfg.TLSCert != "", "health", "/video-worker/health/")
	// Event channels are not among the requests that a shutdown waits for: they
	// end with this.
	channels, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	// There is no limit to a whole request: uploads may take hours.
	server := &http.Server{Handler: a.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return channels },
		ErrorLog:    slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
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
