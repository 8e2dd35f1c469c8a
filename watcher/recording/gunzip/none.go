//go:build !cgo || purego || !(amd64 || arm64)

package gunzip

import (
	"bufio"
	"io"
)

// Fast tells whether ISA-L is used.
func Fast() bool { return false }

func newFast(*bufio.Reader) io.Reader { return nil }
