package loopback

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestAnAddressHasOneHolder: while an address is reserved, no other process gets
// it. A server can listen, stop and listen again on each of its ports.
func TestAnAddressHasOneHolder(t *testing.T) {
	held := map[string]bool{}
	for range 50 {
		a, err := Reserve(3)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		if held[a.Host] {
			t.Errorf("%s is held twice", a.Host)
		}
		held[a.Host] = true
		if again, err := net.Listen("unix", "@jumpserver-video/"+a.Host); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s is not held: %v", a.Host, err)
			again.Close()
		}
		var open []net.Listener
		for n := range a.Ports {
			for range 2 {
				l, err := net.Listen("tcp", a.HostPort(n))
				if err != nil {
					t.Fatal(err)
				}
				if open = append(open, l); len(open)%2 == 1 {
					l.Close()
				}
			}
		}
		if len(open) != 6 {
			t.Errorf("%d ports", len(a.Ports))
		}
		for _, l := range open {
			l.Close()
		}
	}
}

func TestAClosedAddressIsFreeAgain(t *testing.T) {
	a, err := Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "@jumpserver-video/"+a.Host)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// TestPortsOfAServerOnAllAddressesAreLeftOut: such a server occupies its port on
// every address.
func TestPortsOfAServerOnAllAddressesAreLeftOut(t *testing.T) {
	server, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	taken := server.Addr().(*net.TCPAddr).Port
	a, err := Reserve(0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.find(2, taken); err != nil {
		t.Fatal(err)
	}
	if len(a.Ports) != 2 || a.Ports[0] <= taken || a.Ports[1] <= a.Ports[0] {
		t.Errorf("ports %v, of which %d is another's", a.Ports, taken)
	}
}
