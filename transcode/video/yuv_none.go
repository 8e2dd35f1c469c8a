//go:build !cgo || purego

package video

import "image"

// convertRect converts r, whose borders are even, inside of both pictures.
func (p *planes) convertRect(img *image.RGBA, r image.Rectangle) { p.convertRectGo(img, r) }
