// Package loopback reserves addresses of this host's loopback for servers that
// another process, or the same one later, is going to start: agents and servers
// of tests, of the benchmarks and of the demo.
//
// A port that the system hands out (":0") is nobody's between the moment when
// its finder closes it and the moment when the server listens on it, and again
// whenever the server is restarted. On Linux all of 127.0.0.0/8 is the loopback,
// so a whole address can be reserved instead. It is reserved by a socket that
// exists as long as the reservation: an abstract one, which takes no TCP port and
// disappears with the process.
//
// The package is part of coreapi because that is where everything may import
// it from: coreapi's tests, the queue's, and cmd.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// Address is an address that no other process reserves until Close.
type Address struct {
	// Host is the address, such as 127.0.83.201.
	Host string
	// Ports are different ports of Host on which nothing listened when it was
	// reserved. Only a server that listens on all addresses of the host and names
	// such a port could still take one away.
	Ports []int

	held net.Listener
}

// firstPort is where ports are looked for: far below the ports that Linux hands
// out by default (32768 and above).
const firstPort = 10000

// attempts bounds the search for an address: a machine with thousands of
// reservations has another problem.
const attempts = 1000

// Reserve reserves an address with so many free ports.
func Reserve(ports int) (*Address, error) {
	for range attempts {
		// 127.0.0.1, 127.0.0.53 and 127.0.1.1 have other users.
		host := fmt.Sprintf("127.0.%d.%d", 2+rand.IntN(253), 1+rand.IntN(254))
		held, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: "@jumpserver-video/" + host})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reserve %s: %w", host, err)
		}
		a := &Address{Host: host, held: held}
		if err := a.find(ports, firstPort); err != nil {
			return nil, errors.Join(err, a.Close())
		}
		return a, nil
	}
	return nil, errors.New("no address of the loopback is free")
}

// find looks for n free ports, upwards from one.
func (a *Address) find(n, from int) error {
	for port := from; len(a.Ports) < n; port++ {
		if port > 65535 {
			return fmt.Errorf("%s has only %d free ports", a.Host, len(a.Ports))
		}
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(a.Host), Port: port})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // by a server that listens on all addresses
		}
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		a.Ports = append(a.Ports, port)
	}
	return nil
}

// HostPort is Host with its n-th port, counted from 0, such as
// 127.0.83.201:10000.
func (a *Address) HostPort(n int) string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Ports[n])) }

// Close gives the address back.
func (a *Address) Close() error { return a.held.Close() }
