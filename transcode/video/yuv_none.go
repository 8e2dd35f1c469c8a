//go:build !cgo || purego

package video

import "image"

// convertRect converts r, which has even coordinates and is inside both pictures.
func (p *planes) convertRect(img *image.RGBA, r image.Rectangle) { p.convertRectGo(img, r) }
