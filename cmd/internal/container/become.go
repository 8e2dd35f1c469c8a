package container

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// set is a set of capabilities(7), one bit each.
type set uint64

const (
	capChown       = unix.CAP_CHOWN
	capDacOverride = unix.CAP_DAC_OVERRIDE
	capFowner      = unix.CAP_FOWNER
	capSetgid      = unix.CAP_SETGID
	capSetuid      = unix.CAP_SETUID
)

func bit(capability int) set             { return 1 << capability }
func (s set) has(capability int) bool    { return s&bit(capability) != 0 }
func (s set) halves() (low, high uint32) { return uint32(s), uint32(s >> 32) }

// capabilities returns the permitted capabilities of this process.
func capabilities() (set, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("capabilities: %w", err)
	}
	return set(data[0].Permitted) | set(data[1].Permitted)<<32, nil
}

// become runs argv, whose first element is a path, as a user and its group. It keeps
// the capabilities in keep and cannot gain others. Each system call changes only
// this thread; exec ends all other threads.
func become(id int, keep set, argv []string) error {
	runtime.LockOSThread()
	for capability := range unix.CAP_LAST_CAP + 1 {
		if !keep.has(capability) {
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0) // fails for capabilities that the kernel lacks, or that must not be dropped
		}
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	uid := uintptr(id)
	for _, call := range []struct {
		name   string
		number uintptr
		args   [3]uintptr
	}{
		{"setgroups", unix.SYS_SETGROUPS, [3]uintptr{}},
		{"setresgid", unix.SYS_SETRESGID, [3]uintptr{uid, uid, uid}},
		{"setresuid", unix.SYS_SETRESUID, [3]uintptr{uid, uid, uid}},
	} {
		if _, _, errno := unix.RawSyscall(call.number, call.args[0], call.args[1], call.args[2]); errno != 0 {
			return fmt.Errorf("%s: %w", call.name, errno)
		}
	}
	if err := limit(keep); err != nil {
		return err
	}
	if err := syscall.Exec(argv[0], argv, os.Environ()); err != nil { //nolint:gosec // this program, with its own arguments
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	return nil
}

// limit drops the capabilities of this thread, except those to keep. Programs that
// it runs inherit the kept ones.
func limit(keep set) error {
	low, high := keep.halves()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: low, Permitted: low, Inheritable: low}, {Effective: high, Permitted: high, Inheritable: high}}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	for capability := range unix.CAP_LAST_CAP + 1 {
		if keep.has(capability) {
			if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(capability), 0, 0); err != nil {
				return fmt.Errorf("ambient capability %d: %w", capability, err)
			}
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return nil
}
