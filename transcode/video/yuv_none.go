//go:build !cgo || purego

package video

import "image"

// convertRect converts r, which has even coordinates and is inside both pictures.
func (p *planes) convertRect(img *image.RGBA, r image.Rectangle) { p.convertRectGo(img, r) }

// update copies a macroblock from another picture and returns its variance: the sum of
// the squared differences from the mean, over all three planes. At the edges of the
// picture, it is that of a whole macroblock with the same mean variance.
func (p *planes) update(frame *planes, mb int) float64 { return p.updateGo(frame, mb) }
