package guac

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

func pngOf(t *testing.T, w, h int, c color.Color) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestCoveredImagesAreNotDecoded checks which images of a slot remain.
func TestCoveredImagesAreNotDecoded(t *testing.T) {
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 20, 20)), nil); err != nil {
		t.Fatal(err)
	}
	opaque, faint := pngOf(t, 20, 20, color.White), pngOf(t, 20, 20, color.NRGBA{255, 0, 0, 100})
	draw := func(kind string, mask Mask, layer, x, y int) op {
		data := map[string][]byte{"image/jpeg": jpg.Bytes(), "image/png": opaque, "faint": faint, "broken": {1, 2, 3}}[kind]
		if kind == "faint" || kind == "broken" {
			kind = "image/png"
		}
		return op{code: opPicture, i: [9]int{int(mask), layer, x, y}, pic: newPicture(kind, data)}
	}
	img := func(layer, x, y int) op { return draw("image/png", MaskOver, layer, x, y) }
	for name, tc := range map[string]struct {
		ops  []op
		left []int
	}{
		"covered":                      {[]op{img(0, 5, 5), img(0, 5, 5)}, []int{1}},
		"covered by a JPEG":            {[]op{img(0, 5, 5), draw("image/jpeg", MaskSrc, 0, 5, 5)}, []int{1}},
		"by the last of three":         {[]op{img(0, 5, 5), img(0, 9, 9), img(0, 5, 5)}, []int{1, 2}},
		"in part":                      {[]op{img(0, 5, 5), img(0, 6, 5)}, []int{0, 1}},
		"on another layer":             {[]op{img(1, 5, 5), img(0, 5, 5)}, []int{0, 1}},
		"by a transparent one":         {[]op{img(0, 5, 5), draw("faint", MaskOver, 0, 5, 5)}, []int{0, 1}},
		"by one of another mask":       {[]op{img(0, 5, 5), draw("image/png", MaskXor, 0, 5, 5)}, []int{0, 1}},
		"of another mask":              {[]op{draw("image/png", MaskXor, 0, 5, 5), img(0, 5, 5)}, []int{0, 1}},
		"of a mask that clears":        {[]op{draw("image/png", MaskSrc, 0, 5, 5), img(0, 5, 5)}, []int{0, 1}},
		"a broken one stays":           {[]op{draw("broken", MaskOver, 0, 5, 5), img(0, 5, 5)}, []int{0, 1}},
		"read in between":              {[]op{img(0, 5, 5), {code: opCopy, i: [9]int{0, 0, 0, 9, 9, 14, 3, 0, 0}}, img(0, 5, 5)}, []int{0, 1, 2}},
		"another is read":              {[]op{img(0, 5, 5), {code: opCopy, i: [9]int{3, 0, 0, 9, 9, 14, 0, 0, 0}}, img(0, 5, 5)}, []int{1, 2}},
		"as a pattern":                 {[]op{img(0, 5, 5), {code: opLFill, i: [9]int{14, 1, 0}}, img(0, 5, 5)}, []int{0, 1, 2}},
		"as the pointer":               {[]op{img(0, 5, 5), {code: opCursor}, img(0, 5, 5)}, []int{0, 1, 2}},
		"the layer's size has changed": {[]op{img(0, 5, 5), {code: opSize, i: [9]int{0, 9, 9}}, img(0, 5, 5)}, []int{0, 1, 2}},
		"the pointer moves":            {[]op{img(0, 5, 5), {code: opMouse}, img(0, 5, 5)}, []int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			all := append([]op(nil), tc.ops...)
			left := uncovered(append([]op(nil), tc.ops...), DefaultLimits)
			if len(left) != len(tc.left) {
				t.Fatalf("%d of %d are left, want %v", len(left), len(all), tc.left)
			}
			for i, k := range tc.left {
				if left[i].code != all[k].code || left[i].pic != all[k].pic {
					t.Errorf("the one at %d is not that at %d", i, k)
				}
			}
		})
	}
}
