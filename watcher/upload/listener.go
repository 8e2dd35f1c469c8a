package upload

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits of connections. An idle connection takes 20 kB, one that is sending a
// header up to MaxHeaderBytes more. A busy Lion has one for each session that ends
// at the same moment.
const (
	maxConns   = 1000
	maxPerHost = 500 // one host cannot take what all others need
	// maxLocal are reserved for this host, so that its health check and its
	// administrator can always connect.
	maxLocal = 50
	// warnEvery is the minimum time between two warnings about closed connections.
	warnEvery = time.Minute
)

// LimitListener closes connections beyond a limit, in total and per address, as
// soon as they are accepted. Their clients notice at once, and use their fallback.
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

// Accept waits for the next connection within the limits.
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
	limit := maxConns
	if host.IsLoopback() {
		limit += maxLocal
	}
	if l.all >= limit || l.open[host] >= maxPerHost {
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

// hostOf returns where a connection comes from. With IPv6, a host has a whole /64;
// all addresses that do not belong to a host count as one.
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

// limitedConn releases its slot when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
