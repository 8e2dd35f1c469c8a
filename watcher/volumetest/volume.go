package volumetest

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Fault is one kind of failure of a volume.
type Fault struct {
	Op    string          // open, read, create, write, sync, syncdir, rename, renamenew (without replacing), link, remove, mkdir, list, stat or change; "" = any
	On    string          // part of the path, below the mount
	Errno syscall.Errno   // error for the caller
	Skip  int             // number of calls that succeed first
	After bool            // the operation is executed, and then fails
	Hang  <-chan struct{} // the call waits until this is closed, and then succeeds unless Errno is set
}

// Volume is a folder seen through FUSE.
type Volume struct {
	below, point string

	counted bool

	mu     sync.Mutex
	watch  func(op, on string) // guarded by mu
	faults []Fault             // guarded by mu
	seen   []int               // how often each has occurred; guarded by mu
	calls  map[call]int        // guarded by mu
}

// Mount mounts the folder below at the folder point. It fails where FUSE mounts are
// not permitted.
func Mount(below, point string) (*Volume, error) {
	v := &Volume{below: below, point: point}
	return v, v.Mount()
}

// MountCounted is Mount of a volume that counts calls; the kernel does not read
// ahead.
func MountCounted(below, point string) (*Volume, error) {
	v := &Volume{below: below, point: point, counted: true}
	return v, v.Mount()
}

// call is an operation somewhere below an element of the root.
type call struct{ op, top string }

// Counts returns the number of calls since the last Counts, by the first element of
// their path, which is "" for the root, and by operation.
func (v *Volume) Counts() map[string]map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts := map[string]map[string]int{}
	for c, n := range v.calls {
		if counts[c.top] == nil {
			counts[c.top] = map[string]int{}
		}
		counts[c.top][c.op] = n
	}
	v.calls = nil
	return counts
}

// Mount mounts a volume again that has vanished.
func (v *Volume) Mount() error {
	var st syscall.Stat_t
	if err := syscall.Stat(v.below, &st); err != nil {
		return fmt.Errorf("%s: %w", v.below, err)
	}
	root := &fs.LoopbackRoot{Path: v.below, Dev: st.Dev}
	top := &node{LoopbackNode: fs.LoopbackNode{RootData: root}, volume: v}
	root.RootNode = top
	zero := time.Duration(0)
	_, err := fs.Mount(v.point, top, &fs.Options{AttrTimeout: &zero, EntryTimeout: &zero,
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "faulty", DisableReadDirPlus: v.counted}})
	if err != nil {
		return fmt.Errorf("mount at %s: %w", v.point, err)
	}
	return nil
}

// Point returns where the volume is mounted.
func (v *Volume) Point() string { return v.point }

// Vanish unmounts the volume, even if it is in use: the empty mount point remains.
func (v *Volume) Vanish() {
	v.Set()
	_ = syscall.Unmount(v.point, syscall.MNT_DETACH) // no effect if it has vanished before
}

// Set replaces all faults.
func (v *Volume) Set(faults ...Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults, v.seen = faults, make([]int, len(faults))
}

// Watch makes the volume call f before each operation. It does not call f for
// operations that a fault prevents.
func (v *Volume) Watch(f func(op, on string)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watch = f
}

// Met returns how many calls have failed since the last Set.
func (v *Volume) Met() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, f := range v.faults {
		n += max(0, v.seen[i]-f.Skip)
	}
	return n
}

// inject executes an operation with the first matching fault.
func (v *Volume) inject(op, on string, do func() syscall.Errno) syscall.Errno {
	hit, watch := v.hit(op, on)
	if act := do; watch != nil {
		do = func() syscall.Errno { watch(op, on); return act() }
	}
	if hit == nil {
		return do()
	}
	if hit.Hang != nil {
		<-hit.Hang
	}
	if hit.Errno == 0 {
		return do()
	}
	if hit.After {
		if errno := do(); errno != 0 {
			return errno
		}
	}
	return hit.Errno
}

func (v *Volume) hit(op, on string) (*Fault, func(op, on string)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.counted {
		if v.calls == nil {
			v.calls = map[call]int{}
		}
		top, _, _ := strings.Cut(on, "/")
		v.calls[call{op, top}]++
	}
	for i, f := range v.faults {
		if (f.Op == "" || f.Op == op) && strings.Contains(on, f.On) {
			if v.seen[i]++; v.seen[i] > f.Skip {
				return &v.faults[i], v.watch
			}
		}
	}
	return nil, v.watch
}
