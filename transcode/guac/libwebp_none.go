//go:build !cgo || purego

package guac

// WebPDecoder is the name of this build's decoder for WebP.
const WebPDecoder = "Go"

func decodeWebP(data []byte, alloc allocator) (picture, error) { return decodeWebPInGo(data, alloc) }
