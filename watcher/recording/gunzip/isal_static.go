//go:build cgo && !purego && static && (amd64 || arm64)

package gunzip

// #cgo CFLAGS: -DSTATIC
// #cgo LDFLAGS: -lisal
import "C"
