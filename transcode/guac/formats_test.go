package guac

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
)

func referenceImage(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(referenceDir + "images/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFormatsAreToldByContent, whatever a label says. Only an image of a format
// that browsers cannot draw is skipped, with a warning.
func TestFormatsAreToldByContent(t *testing.T) {
	for _, tc := range []struct{ file, label, warning string }{
		{"tile.png", "image/jpg", ""}, {"tile.png", "image/jpeg", ""}, {"photo.jpg", "image/png", ""}, {"photo.jpg", "image/pjpeg", ""},
		{"plain.gif", "image/webp", ""}, {"plain.bmp", "", ""}, {"photo.webp", "application/octet-stream", ""},
	} {
		data := referenceImage(t, tc.file)
		if got := formatOf(tc.label, data); !strings.HasSuffix(strings.Replace(tc.file, "jpg", "jpeg", 1), strings.TrimPrefix(got, "image/")) {
			t.Errorf("%s as %q: %q", tc.file, tc.label, got)
		}
	}
	avif := base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00 ftypavif\x00\x00\x00\x00"))
	s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver)
	for i, blob := range []string{avif, "", "PHN2Zy8+"} {
		s.add("img", i, 14, 0, []string{"image/avif", "image/png", "image/svg+xml"}[i], 0, 0).add("blob", i, blob).add("end", i)
	}
	p := part(t, s.add("sync", 1).String())
	if p.Summary.Draws != 2 { // the box, and the image with the label PNG
		t.Errorf("%d instructions draw", p.Summary.Draws)
	}
	_, stats := play(t, Options{}, s.String())
	all := strings.Join(stats.Missing, "\n")
	for _, want := range []string{`image type "image/avif"`, "image/png: ", `image type "image/svg+xml"`} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not told in %q", want, all)
		}
	}
}

// TestDamagedImagesAreTold: if an image of any format is truncated or has a changed
// byte, it is drawn in its size or refused, and nothing worse happens.
func TestDamagedImagesAreTold(t *testing.T) {
	for _, name := range []string{"plain.gif", "offset.gif", "wide.gif", "plain.bmp", "one.bmp", "alpha.bmp", "offset.webp", "movinglossy.webp", "exif6.jpg", "exif6.png", "adam7.png"} {
		whole := referenceImage(t, name)
		check := func(data []byte) {
			kind := formatOf("image/png", data)
			w, h, err := imageSize(kind, data, fuzzLimits)
			if err != nil {
				return
			}
			pic, err := decodeImage(kind, data, newImage)
			if err == nil && (pic.img.Rect.Dx() != w || pic.img.Rect.Dy() != h) {
				t.Fatalf("%s: %v, the header says %d×%d", name, pic.img.Rect, w, h)
			}
		}
		for i := range whole {
			check(whole[:i])
			for _, b := range []byte{0, 1, 0x7F, 0xFF} {
				data := append([]byte(nil), whole...)
				data[i] = b
				check(data)
			}
		}
	}
}

// TestOrientationsOfDamagedExif: the parser never reads beyond the data.
func TestOrientationsOfDamagedExif(t *testing.T) {
	for exif, want := range map[string]int{
		"": 1, "II*\x00": 1, "II*\x00\xff\xff\xff\xff": 1, "MM\x00*\x00\x00\x00\x08\xff\xff": 1,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00": 6,
		"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00": 8,
		"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00": 1,
	} {
		if got := exifOrientation([]byte(exif)); got != want {
			t.Errorf("%q: %d, want %d", exif, got, want)
		}
	}
}
