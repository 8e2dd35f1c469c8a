package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// newHandler returns the handler of all HTTP requests to the agent.
func (a *agent) newHandler() http.Handler {
	mux := http.NewServeMux()
	a.uploads.Register(mux)
	a.view.register(mux)
	return a.uploads.Routes(mux)
}

// listen opens the agent's port, with HTTPS if there is a certificate.
func (a *agent) listen(ctx context.Context) (net.Listener, error) {
	addr := net.JoinHostPort(a.cfg.BindHost, strconv.Itoa(int(a.cfg.Port)))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on BIND_HOST:HTTPD_PORT: %w", err)
	}
	listener = upload.LimitListener(listener, a.log)
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

// serve serves HTTP until ctx ends. It closes a.serving once it listens.
func (a *agent) serve(ctx context.Context) error {
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	close(a.serving)
	a.log.Info("listening", "address", listener.Addr().String(), "tls", a.cfg.TLSCert != "", "health", "/video-worker/health/")
	// A shutdown does not wait for event channels: this context ends them.
	channels, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	// There is no time limit for a whole request, because uploads may take hours.
	server := &http.Server{Handler: a.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
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
