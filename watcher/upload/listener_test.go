package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// offered is a listener whose connections come from any address that a test
// chooses.
type offered struct{ conns chan net.Conn }

func (o *offered) Accept() (net.Conn, error) {
	conn, ok := <-o.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (o *offered) Close() error   { return nil }
func (o *offered) Addr() net.Addr { return &net.TCPAddr{} }

// from is a connection from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// site offers connections to a limited listener.
type site struct {
	t      *testing.T
	all    chan net.Conn
	served chan net.Conn
}

// come connects a client. It returns the client's and the server's side, the latter
// nil if the connection is closed at once.
func (s *site) come(host string, port int) (client, server net.Conn) {
	s.t.Helper()
	client, offer := net.Pipe()
	s.t.Cleanup(func() { client.Close() })
	s.all <- from{offer, &net.TCPAddr{IP: net.ParseIP(host), Port: port}}
	ended := make(chan error, 1)
	_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, err := client.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case server = <-s.served:
		_ = client.SetReadDeadline(time.Now())
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			s.t.Error(host, err)
		}
		return client, server
	case err := <-ended:
		if !errors.Is(err, io.EOF) {
			s.t.Error(host, err)
		}
		return client, nil
	}
}

func newSite(t *testing.T) (*site, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s := &site{t: t, all: make(chan net.Conn), served: make(chan net.Conn)}
	limited := LimitListener(&offered{s.all}, slog.New(slog.NewTextHandler(&log, nil)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := limited.Accept()
			if err != nil {
				return
			}
			s.served <- conn
		}
	}()
	t.Cleanup(func() { close(s.all); <-done })
	return s, &log
}

// TestOneHostCannotTakeAllConnections, and many hosts cannot take those of this
// one.
func TestOneHostCannotTakeAllConnections(t *testing.T) {
	s, log := newSite(t)
	var last net.Conn
	fill := func(host string, want int) {
		t.Helper()
		n := 0
		for ; n < maxConns+maxLocal+10; n++ {
			_, server := s.come(host, 1024+n)
			if server == nil {
				break
			}
			last = server
		}
		if n != want {
			t.Errorf("%s has %d connections, want %d", host, n, want)
		}
	}
	fill("192.0.2.1", maxPerHost)
	fill("::ffff:192.0.2.1", 0) // the same one
	fill("2001:db8::1", maxConns-maxPerHost)
	fill("192.0.2.2", 0)
	if _, server := s.come("127.0.0.1", 1); server == nil {
		t.Error("the health check of this host does not get through")
	}
	// A connection that ends frees one slot, and only once.
	if err := errors.Join(last.Close(), last.Close()); err != nil {
		t.Error(err)
	}
	fill("192.0.2.3", 0) // the slot is reserved for this host
	fill("127.0.0.1", maxLocal)
	if !strings.Contains(log.String(), "too many connections") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log: %s", log)
	}
}

// TestAPlaceIsGivenBack when a connection is closed, however often.
func TestAPlaceIsGivenBack(t *testing.T) {
	l := LimitListener(&offered{}, slog.New(slog.DiscardHandler)).(*limitListener)
	host := hostOf(from{addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::1")}})
	if host != hostOf(from{addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::ffff:2"), Port: 5}}) {
		t.Error("addresses of one IPv6 host count as several")
	}
	for range 10 * maxConns {
		if !l.enter(host) {
			t.Fatal("no place though all were given back")
		}
		l.leave(host)
	}
	if l.all != 0 || len(l.open) != 0 {
		t.Error(l.all, l.open)
	}
	unix := hostOf(from{addr: &net.UnixAddr{Name: "@", Net: "unix"}})
	if !l.enter(unix) {
		t.Error("what has no address is not let in")
	}
}

// TestWhatIsServedThroughTheLimit is the same as without it.
func TestWhatIsServedThroughTheLimit(t *testing.T) {
	w := newWorker(t)
	plain, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: w.api.Handler(), ReadHeaderTimeout: time.Minute}
	done := make(chan error)
	go func() { done <- server.Serve(LimitListener(plain, slog.New(slog.DiscardHandler))) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	w.URL = "http://" + plain.Addr().String()
	names, parts := lexicographic(1)
	if status, answer := w.part(t, "lion", w.task(t, names, parts), 0, names[0], parts[names[0]]); status != 200 {
		t.Error(status, answer)
	}
	client, _ := w.login(t)
	if conn := w.channel(t, client); conn.Subprotocol() != "JMS-Video-Worker" {
		t.Error(conn.Subprotocol())
	}
}
