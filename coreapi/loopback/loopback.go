// Package loopback reserves addresses of this host's loopback for servers that
// another process, or the same one later, is going to start: agents and servers of
// tests, of the benchmarks and of the demo.
//
// A port that the system assigns (":0") is free for others after its finder has
// closed it and before the server listens on it. It is free again whenever the server
// is restarted. On Linux all of 127.0.0.0/8 is the loopback, so
// a whole address can be reserved instead. An abstract socket reserves it as long
// as the socket exists: it uses no TCP port and disappears with the process.
//
// The package is part of coreapi because everything may import it from there:
// coreapi's tests, the queue's, and cmd.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// Address is an address that no other process can reserve until Close.
type Address struct {
	// Host is the address, such as 127.0.83.201.
	Host string
	// Ports are different ports of Host on which nothing listened when the address
	// was reserved. Only a server that listens on all addresses of the host could
	// still take such a port.
	Ports []int

	held net.Listener
}

// firstPort is where the search for ports begins: far below the ports that Linux
// assigns by default (32768 and above).
const firstPort = 10000

// attempts limits the search for an address: on a machine with thousands of
// reservations something else is wrong.
const attempts = 1000

// Reserve reserves an address with the given number of free ports.
func Reserve(ports int) (*Address, error) {
	for range attempts {
		// 127.0.0.1, 127.0.0.53 and 127.0.1.1 are used by others.
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

// find looks for n free ports, upwards from the given one.
func (a *Address) find(n, from int) error {
	for port := from; len(a.Ports) < n; port++ {
		if port > 65535 {
			return fmt.Errorf("%s has only %d free ports", a.Host, len(a.Ports))
		}
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(a.Host), Port: port})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // taken by a server that listens on all addresses
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

// HostPort returns Host with its n-th port, counted from 0, such as
// 127.0.83.201:10000.
func (a *Address) HostPort(n int) string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Ports[n])) }

// Close releases the address.
func (a *Address) Close() error { return a.held.Close() }
