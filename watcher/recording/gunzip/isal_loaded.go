//go:build cgo && !purego && !static && (amd64 || arm64)

package gunzip

// #cgo LDFLAGS: -ldl
import "C"
