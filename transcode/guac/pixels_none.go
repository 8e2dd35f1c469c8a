//go:build !cgo || purego

package guac

import "image"

func overRect(dst *image.RGBA, r image.Rectangle, src *image.RGBA, sp image.Point) {
	overRectInGo(dst, r, src, sp)
}

func overBlack(dst *image.RGBA, r image.Rectangle, src *image.RGBA) { overBlackInGo(dst, r, src) }
