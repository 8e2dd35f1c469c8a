// Package container starts the agent in its image: as root it prepares what is
// mounted, then it continues as an ordinary user.
//
// The image has one data folder under two names, because JumpServer's compose
// file mounts /opt/video-worker/data and the documented stand-alone one
// /opt/video/data: see packaging/Dockerfile.
package container

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ID is the user and the group that the agent runs as in the image.
const ID = 990

// mark is a file that exists only in the image.
const mark = "/etc/jumpserver-video/image"

// Start is what an agent in a container needs.
type Start struct {
	Folders   []string // its data; Enter creates them and changes their owner to the agent's user
	ReplayDir string   // core's replay folder; its owner is not changed
	Log       *slog.Logger
}

// Enter prepares what the agent needs, and restarts this process as the user [ID].
// It returns nil without doing so outside the image, if the process is not root, and
// if it lacks the capabilities to change its user.
func (s Start) Enter() error {
	if !Here() || os.Geteuid() != 0 {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("container: %w", err)
	}
	return s.enter(append([]string{program}, os.Args[1:]...))
}

func (s Start) enter(argv []string) error {
	own, err := capabilities()
	if err != nil {
		return err
	}
	if !own.has(capSetuid) || !own.has(capSetgid) {
		s.Log.Warn("running as root, because the container does not have the capabilities SETUID and SETGID")
		return nil
	}
	for _, dir := range s.Folders {
		if err := give(dir, ID); err != nil {
			s.Log.Warn("cannot change the owner of a data folder to the agent's user; change it on the host", "folder", dir, "user", ID, "error", err)
		}
	}
	var keep set
	if foreign(s.ReplayDir) {
		// Core writes its replay folder as root, and the agent moves originals in it.
		keep = own & (bit(capChown) | bit(capDacOverride) | bit(capFowner))
	}
	return become(ID, keep, argv)
}

// Here reports whether this process runs in the image.
func Here() bool {
	_, err := os.Stat(mark)
	return err == nil
}

// foreign reports whether a folder exists, belongs to another user than [ID], and is
// not writable for others.
func foreign(dir string) bool {
	info, err := os.Stat(dir)
	if dir == "" || err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid != ID && info.Mode().Perm()&0o002 == 0
}

// give creates a folder if necessary, and changes the owner of it and of all its
// content. It changes the folder itself last: if give is interrupted, the next call
// repeats it.
func give(dir string, id int) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if owner(dir) == id {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var last error
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != "." {
			last = errors.Join(last, root.Lchown(path, id, id))
		}
		return nil
	})
	if err = errors.Join(last, err); err != nil {
		return err
	}
	return root.Lchown(".", id, id)
}

func owner(path string) int {
	info, err := os.Lstat(path)
	if err != nil {
		return -1
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(st.Uid)
}

// Ephemeral reports whether the content of a folder is lost with the container: in
// the image, if nothing is mounted at the folder or above it.
func Ephemeral(dir string) bool {
	if !Here() {
		return false
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer mounts.Close()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return mountPoint(mounts, dir) == "/"
}

// Lost returns the folders whose content is lost with the container: see [Ephemeral].
func Lost(folders []string) []string {
	return slices.DeleteFunc(slices.Clone(folders), func(dir string) bool { return !Ephemeral(dir) })
}

// mountPoint returns the mount point of the file system that an absolute path is on,
// from a mountinfo file (proc(5)).
func mountPoint(mountinfo io.Reader, path string) string {
	at := "/"
	for lines := bufio.NewScanner(mountinfo); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		point := unescape.Replace(fields[4])
		if (path == point || strings.HasPrefix(path, strings.TrimSuffix(point, "/")+"/")) && len(point) > len(at) {
			at = point
		}
	}
	return at
}

// unescape decodes the characters that mountinfo escapes.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
