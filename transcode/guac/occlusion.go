package guac

import (
	"bytes"
	"encoding/binary"
	"image"
)

// uncovered removes the invisible images from ops: those that a later opaque image
// on the same layer covers completely before the display is shown or the layer is
// read. They need not even be decoded. This happens when a film plays at 30 frames
// a second: every second frame is never shown.
//
// It must not be used while a layer has a transform or a clip.
func uncovered(ops []op, lim Limits) []op {
	covers := map[int][]image.Rectangle{} // rectangles of later images, by layer
	hidden := 0
	for i := len(ops) - 1; i >= 0; i-- {
		o := &ops[i]
		switch o.code {
		case opPicture:
			if o.i[4] != 0 {
				clear(covers)
				continue
			}
			mask := Mask(o.i[0])
			if o.i[1] < 0 || mask != MaskOver && mask != MaskSrc { // a buffer may grow
				continue
			}
			w, h, err := imageSize(o.pic.mimetype, o.pic.data, lim)
			if err != nil {
				continue
			}
			r := image.Rect(0, 0, w, h).Add(image.Pt(o.i[2], o.i[3]))
			if mask == MaskOver && within(r, covers[o.i[1]]) { // the other mask clears the rest of the layer
				o.code = opNone
				hidden++
			} else if opaqueHeader(o.pic.mimetype, o.pic.data) && len(covers[o.i[1]]) < maxCovers {
				covers[o.i[1]] = append(covers[o.i[1]], r)
			}
		case opMouse, opMove, opShade, opPush, opPop: // these neither read nor change pixels
		case opMask: // the mask of an image, which records whether it may have changed
		case opRect, opStart, opLine, opArc, opCurve, opClose: // likewise
		case opCFill, opCStroke: // these draw, but what is covered stays covered
			if Mask(o.i[0]) != MaskOver { // for an unknown mask the previous one is used
				clear(covers)
			}
		case opCopy, opTransfer:
			if o.code == opCopy && Mask(o.i[5]) != MaskOver {
				clear(covers)
			}
			delete(covers, o.i[0])
		default:
			clear(covers)
		}
	}
	if hidden == 0 {
		return ops
	}
	kept := ops[:0]
	for _, o := range ops {
		if o.code != opNone {
			kept = append(kept, o)
		}
	}
	clear(ops[len(kept):])
	return kept
}

// maxCovers limits the images of a layer that others are compared with.
const maxCovers = 256

func within(r image.Rectangle, covers []image.Rectangle) bool {
	for _, c := range covers {
		if r.In(c) {
			return true
		}
	}
	return false
}

// opaqueHeader reports whether an image's header says that it has no transparency,
// without decoding it.
func opaqueHeader(mimetype string, data []byte) bool {
	switch mimetype {
	case "image/jpeg":
		return true
	case "image/webp": // a lossy image in the simple file format has no alpha
		return len(data) > 16 && bytes.Equal(data[12:16], []byte("VP8 "))
	case "image/png": // signature, IHDR of 25 bytes with the colour type, then IDAT at once
		return len(data) > 41 && (data[25] == 0 || data[25] == 2) && binary.BigEndian.Uint32(data[8:]) == 13 && bytes.Equal(data[37:41], []byte("IDAT"))
	}
	return false
}
