//go:build !cgo || purego || !(amd64 || arm64)

package gunzip

import "bufio"

// Fast reports whether ISA-L is used.
func Fast() bool { return false }

func newFast(*bufio.Reader) stream { return nil }
