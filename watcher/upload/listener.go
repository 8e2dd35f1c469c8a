package upload

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds of connections. An idle one costs 20 kB, one in mid-header up to
// MaxHeaderBytes more. A busy Lion has as many as sessions end in one moment.
const (
	maxConns   = 1000
	maxPerHost = 500 // no host can take what all others need
	// maxLocal are kept for this host beyond the rest: its health check and its
	// administrator get through whatever others do.
	maxLocal = 50
	// warnEvery is the time between two words about connections that were closed.
	warnEvery = time.Minute
)

// LimitListener closes connections beyond a number, in all and from one
// address, as soon as they come: their clients know at once that they are not
// served, and have a fallback.
func LimitListener(l net.Listener, log *slog.Logger) net.Listener {
	return &limitListener{Listener: l, log: log, open: map[netip.Addr]int{}}
}

type limitListener struct {
	net.Listener
	log    *slog.Logger
	warned time.Time // owned by Accept

	mu   sync.Mutex
	all  int                // connections that are open; guarded by mu
	open map[netip.Addr]int // the same, by address; guarded by mu
}

// Accept waits for the next connection that is within the bounds.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := hostOf(conn)
		if l.enter(host) {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(host) })}, nil
		}
		_ = conn.Close()
		if time.Since(l.warned) > warnEvery {
			l.warned = time.Now()
			l.log.Warn("too many connections: further ones are closed", "from", host)
		}
	}
}

func (l *limitListener) enter(host netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := maxConns
	if host.IsLoopback() {
		most += maxLocal
	}
	if l.all >= most || l.open[host] >= maxPerHost {
		return false
	}
	l.all++
	l.open[host]++
	return true
}

func (l *limitListener) leave(host netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[host]--; l.open[host] == 0 {
		delete(l.open, host)
	}
}

// hostOf is where a connection comes from. Of IPv6 a host has a whole /64; all
// that is no address of a host counts as one.
func hostOf(conn net.Conn) netip.Addr {
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	host := from.Addr().Unmap().WithZone("")
	if host.Is6() && !host.IsLoopback() {
		if subnet, err := host.Prefix(64); err == nil {
			return subnet.Addr()
		}
	}
	return host
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
