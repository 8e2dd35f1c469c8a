// Package terminaltest has terminals for tests.
package terminaltest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Open makes a pseudo-terminal. Programs write to out; read closes out and
// returns all that was written, once others have closed it, too.
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
			if err != nil { // nobody has the other end open any more
				text <- all.String()
				return
			}
		}
	}()
	return func() string { out.Close(); return <-text }, out
}
