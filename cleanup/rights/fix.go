package rights

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Mount is the mount that a folder is on, as this process sees it.
type Mount struct {
	Point    string // where it is mounted
	Device   string // what is mounted, as in jumpserver:/media
	Type     string // type of the file system
	ReadOnly bool   // this process, or its whole sandbox, cannot write
	// SourceReadOnly means that the file system itself was mounted read-only.
	SourceReadOnly bool
}

// Remote reports whether a server decides what is allowed.
func (m Mount) Remote() bool {
	return slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "glusterfs", "fuse.glusterfs", "fuse.sshfs"}, m.Type)
}

// MountOf returns the mount of a folder. It accesses neither the folder nor its
// volume, which may hang; the folder's path must not contain links. ok is false if
// the mount is unknown.
func MountOf(dir string) (m Mount, ok bool) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return m, false
	}
	defer f.Close()
	return mountIn(f, dir)
}

// mountIn is MountOf with the given table of mounts, in the format of
// /proc/pid/mountinfo (proc(5)).
func mountIn(table io.Reader, dir string) (m Mount, ok bool) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		before, after, found := strings.Cut(lines.Text(), " - ")
		mount, source := strings.Fields(before), strings.Fields(after)
		if !found || len(mount) < 6 || len(source) < 3 {
			continue
		}
		point := unescape.Replace(mount[4])
		if !within(dir, point) || len(point) < len(m.Point) { // of two mounts at one place, the later covers the earlier
			continue
		}
		m = Mount{
			Point: point, Device: unescape.Replace(source[1]), Type: source[0],
			ReadOnly: hasOption(mount[5], "ro"), SourceReadOnly: hasOption(source[2], "ro"),
		}
		ok = true
	}
	return m, ok
}

// unescape reverts the kernel's escaping of names in its table.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func hasOption(list, option string) bool { return slices.Contains(strings.Split(list, ","), option) }

func within(dir, point string) bool {
	return dir == point || strings.HasPrefix(dir, strings.TrimSuffix(point, "/")+"/")
}

// Fix says what to do if something is not allowed.
type Fix struct {
	Kind string // a key of Fixes
	At   string // the folder or mount concerned
}

const doctorFix = "Run `sudo jumpserver-video doctor --fix`"

// Fixes say in whole sentences what to do, by Kind of Fix. {at} is replaced by its
// At.
var Fixes = map[string]string{
	"sandbox": "The service's own sandbox, or its container, keeps it from writing below {at}. " + doctorFix + "; it lets the service write there. In a container, mount it read-write.",
	"mount":   "Mount {at} read-write (option rw).",
	"disk":    "See why the file system of {at} is read-only (dmesg), and mount it read-write.",
	"export":  "Export it read-write (rw in /etc/exports on the NFS server), and see that the file system is not read-only there.",
	"squash":  "Export it with all_squash,anonuid=0,anongid=0 to this host (docs/nfs.md): JumpServer's files belong to root, and it gives nobody else rights to the folders that it makes each day.",
	"owner":   doctorFix + ": it gives the service rights to core's files, which belong to another user. Or let the service run as that user.",
}

// String returns what to do, in English.
func (f Fix) String() string { return strings.ReplaceAll(Fixes[f.Kind], "{at}", f.At) }

// fix returns what to do about an error on the replay volume.
func (p *Prober) fix(err error) Fix {
	dir := filepath.Clean(p.Root)
	m, _ := MountOf(dir)
	return fixOf(m, dir, err)
}

func fixOf(m Mount, dir string, err error) Fix {
	switch readOnly := errors.Is(err, syscall.EROFS); {
	case readOnly && m.ReadOnly && !m.SourceReadOnly:
		return Fix{"sandbox", dir}
	case readOnly && m.ReadOnly:
		return Fix{"mount", m.Point}
	case readOnly && !m.Remote():
		return Fix{"disk", dir}
	case readOnly:
		return Fix{"export", dir}
	case m.Remote():
		return Fix{"squash", dir}
	default:
		return Fix{"owner", dir}
	}
}
