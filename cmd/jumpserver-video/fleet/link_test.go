package fleet

import (
	"net"
	"sync"
	"testing"
	"time"
)

// condition is the state of a link.
type condition string

const (
	up      condition = "up"
	cut     condition = "cut"     // connections break, and new ones fail
	stalled condition = "stalled" // connections exist, but nothing passes
)

// link is a connection through the network to one address.
type link struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	is      condition
	changed chan struct{}     // closed and replaced with every change; guarded by mu
	conns   map[net.Conn]bool // guarded by mu
	closed  bool              // guarded by mu
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, to: to, is: up, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	go l.accept()
	t.Cleanup(func() {
		listener.Close()
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		l.set(cut)
	})
	return l
}

func (l *link) addr() string { return l.listener.Addr().String() }

// set changes the state of the link.
func (l *link) set(c condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.is = c
	close(l.changed)
	l.changed = make(chan struct{})
	if c == cut {
		for conn := range l.conns {
			conn.Close()
		}
	}
}

func (l *link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.serve(near)
	}
}

// keep registers a connection, unless the link is cut.
func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.is == cut || l.closed {
		c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *link) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(l.conns, c)
	}
}

func (l *link) serve(near net.Conn) {
	if !l.keep(near) {
		return
	}
	far, err := net.DialTimeout("tcp", l.to, 5*time.Second)
	if err != nil || !l.keep(far) {
		l.drop(near)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(near, far) })
	both.Go(func() { l.pass(far, near) })
	both.Wait()
}

// pass copies from one side to the other while the link is open.
func (l *link) pass(from, to net.Conn) {
	defer l.drop(from, to)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		for {
			l.mu.Lock()
			is, changed := l.is, l.changed
			l.mu.Unlock()
			if is != stalled {
				break
			}
			<-changed
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
