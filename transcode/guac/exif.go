package guac

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orientation returns how an image must be rotated, 1 to 8 as in Exif; 1 means not
// at all. Browsers apply it to JPEG and PNG.
func orientation(mimetype string, data []byte) int {
	var exif []byte
	switch mimetype {
	case "image/jpeg":
		exif = jpegExif(data)
	case "image/png":
		exif = pngExif(data)
	}
	if exif == nil {
		return 1
	}
	return exifOrientation(exif)
}

// jpegExif returns the Exif data from the segments before the image's data.
func jpegExif(data []byte) []byte {
	for at := 2; at+4 <= len(data) && data[at] == 0xFF; {
		marker, size := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		switch {
		case marker == 0xFF: // a fill byte
			at++
			continue
		case marker == 0xDA || at+2+size > len(data):
			return nil
		case marker == 0xE1:
			if exif, ok := bytes.CutPrefix(data[at+4:at+2+size], []byte("Exif\x00\x00")); ok {
				return exif
			}
		}
		at += 2 + size
	}
	return nil
}

// pngExif returns the Exif data from the chunks before the image's data.
func pngExif(data []byte) []byte {
	for at := 8; at+12 <= len(data); {
		size := int(binary.BigEndian.Uint32(data[at:]))
		kind := string(data[at+4 : at+8])
		if size > len(data)-at-12 || kind == "IDAT" {
			return nil
		}
		if kind == "eXIf" {
			return data[at+8 : at+8+size]
		}
		at += 12 + size
	}
	return nil
}

// exifOrientation parses the first directory of a TIFF header.
func exifOrientation(exif []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(exif, []byte("II*\x00")):
	case bytes.HasPrefix(exif, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(exif) < 8 {
		return 1
	}
	at := uint64(order.Uint32(exif[4:]))
	if at+2 > uint64(len(exif)) {
		return 1
	}
	entries := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		if len(entries) < 12 {
			break
		}
		const tag, short = 0x0112, 3
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
		}
		entries = entries[12:]
	}
	return 1
}

// turned returns a picture rotated and mirrored according to an orientation.
func turned(pic picture, orientation int, alloc allocator) picture {
	src := pic.img
	w, h := src.Rect.Dx(), src.Rect.Dy()
	size := image.Pt(w, h)
	if orientation >= 5 { // width and height are swapped
		size = image.Pt(h, w)
	}
	out := alloc(size)
	for y := range size.Y {
		for x := range size.X {
			u, v := x, y
			if orientation >= 5 {
				u, v = y, x
			}
			switch orientation {
			case 2, 8:
				u = w - 1 - u
			case 4, 6:
				v = h - 1 - v
			case 3, 7:
				u, v = w-1-u, h-1-v
			}
			copy(out.Pix[out.PixOffset(x, y):][:4], src.Pix[src.PixOffset(u, v):][:4])
		}
	}
	return picture{out, pic.opaque}
}
