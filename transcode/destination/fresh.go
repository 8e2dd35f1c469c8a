package destination

import (
	"os"
	"path"
	"strings"
	"syscall"
)

// refresh makes the next accesses to the folder of rel, which is relative to root,
// see names that others have just created. An NFS client caches for up to 30
// seconds (acdirmin) that a name does not exist; opening a folder makes it ask the
// server, at the cost of one GETATTR. If the folder cannot be opened, the access
// itself returns the error.
func refresh(root, rel string) {
	dir := root
	open := func() bool {
		f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0) // do not block on a FIFO
		if err == nil {
			err = f.Close()
		}
		return err == nil
	}
	if !open() {
		return
	}
	for element := range strings.SplitSeq(path.Dir(rel), "/") {
		if dir = abs(dir, element); !open() {
			return
		}
	}
}
