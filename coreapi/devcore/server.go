package devcore

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Server is a core that listens on an address.
type Server struct {
	*Core
	// URL is its address, such as http://127.0.0.1:40123: a CORE_HOST.
	URL string

	http *http.Server
	done chan struct{} // closed when the server's goroutine has ended
}

// Start serves a core on Options.Addr.
func Start(opt Options) (*Server, error) {
	c, err := New(opt)
	if err != nil {
		return nil, err
	}
	addr := opt.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := (&net.ListenConfig{}).Listen(c.ctx, "tcp", addr)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	s := &Server{
		Core: c, URL: "http://" + l.Addr().String(), done: make(chan struct{}),
		http: &http.Server{Handler: c, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.log.Error("serve", "error", err)
		}
	}()
	return s, nil
}

// Close stops the server and its core. Requests that are still in progress are cut
// after a moment.
func (s *Server) Close() error {
	// Ends faults that are waiting, and sockets, which http.Server does not know.
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return errors.Join(err, s.Core.Close())
}
