//go:build !cgo || purego

package guac

// WebPDecoder names what decodes WebP in this build.
const WebPDecoder = "Go"

func decodeWebP(data []byte, alloc allocator) (picture, error) { return decodeWebPInGo(data, alloc) }
