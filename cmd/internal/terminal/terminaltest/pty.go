// Package terminaltest provides terminals for tests.
package terminaltest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Open creates a pseudo-terminal. Programs write to out. read closes out, waits until
// all other processes have closed it too, and returns everything that was written.
func Open(t *testing.T) (read func() string, out *os.File) {
	t.Helper()
	main, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { main.Close() })
	if err := unix.IoctlSetPointerInt(int(main.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(main.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(main.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200}); err != nil {
		t.Fatal(err)
	}
	out, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	text := make(chan string, 1)
	go func() {
		var all strings.Builder
		for b := make([]byte, 4096); ; {
			n, err := main.Read(b)
			all.Write(b[:n])
			if err != nil { // all have closed the other end
				text <- all.String()
				return
			}
		}
	}()
	return func() string { out.Close(); return <-text }, out
}
