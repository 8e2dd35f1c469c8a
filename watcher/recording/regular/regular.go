// Package regular opens files that must be regular ones. Someone who can write to a
// folder can replace a file by something else: a FIFO, which blocks a process that
// opens it, a device, a folder, or a link to a file elsewhere.
package regular

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is wrapped by errors about something that is not a regular file.
// They say what it is.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a regular file for reading. It never blocks on other kinds of files,
// and does not follow a symbolic link that is the last element of the name. Errors
// are *fs.PathError, and [ErrNotRegular] for anything but a regular file.
func Open(path string) (*os.File, error) { return open(path, syscall.O_NOFOLLOW) }

// Follow is [Open] for a name that a person has given: links are followed.
func Follow(path string) (*os.File, error) { return open(path, 0) }

func open(path string, flags int) (*os.File, error) {
	// For a regular file, O_NONBLOCK has no effect.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|flags, 0)
	switch {
	case errors.Is(err, syscall.ELOOP) && flags&syscall.O_NOFOLLOW != 0:
		return nil, fail(path, "a symbolic link")
	case errors.Is(err, syscall.ENXIO):
		return nil, fail(path, "a socket, or a device that is not there")
	case err != nil:
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fail(path, kind(st.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Streams reports whether a file of this mode can be read, but only once.
func Streams(m fs.FileMode) bool { return m&fs.ModeNamedPipe != 0 }

func fail(path, what string) error {
	return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%w: it is %s", ErrNotRegular, what)}
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}
