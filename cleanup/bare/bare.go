// Package bare starts programs without the capabilities that the agent may have to
// access core's files (rights.conf of the packages). ffmpeg reads untrusted
// recordings and does not need them.
package bare

import (
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Start is like cmd.Start, but the process inherits no capabilities. A process
// inherits the ambient capabilities of the thread that starts it. That thread drops
// only those, so that it keeps its own.
func Start(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // kernels before 4.3 have no ambient capabilities
	return cmd.Start()
}
