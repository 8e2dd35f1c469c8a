package guac

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The pictures in testdata/reference/pictures are what guacamole-common-js
// shows; testdata/reference/README.md says how they were made.
const referenceDir = "../../testdata/reference/"

// manifest says where the pictures come from.
type manifest struct {
	Player, Browser, Made string
	Pictures              map[string]struct {
		Source       string `json:"source"`        // relative to testdata
		SourceSHA256 string `json:"source_sha256"` // of that file as it was played
		MS           int64  `json:"ms"`            // for recordings: time since the first sync
		SHA256       string `json:"sha256"`        // of the picture
	}
}

func readManifest(t *testing.T) manifest {
	t.Helper()
	data, err := os.ReadFile(referenceDir + "manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestReferencePictures plays every script and recording of the manifest and
// compares the display with the reference player's.
func TestReferencePictures(t *testing.T) {
	m := readManifest(t)
	for name, p := range m.Pictures {
		t.Run(strings.TrimSuffix(name, ".png"), func(t *testing.T) {
			source, err := os.ReadFile("../../testdata/" + p.Source)
			if err != nil {
				t.Fatal(err)
			}
			if hash(source) != p.SourceSHA256 {
				t.Fatalf("%s has changed since the reference player played it: run make reference", p.Source)
			}
			want := readPicture(t, name, p.SHA256)
			rule := recordingRule(p.Source)
			var dump []byte
			if testing.Short() && !strings.HasSuffix(p.Source, ".txt") {
				t.Skip("other tests play it, too")
			}
			if strings.HasSuffix(p.Source, ".txt") {
				rule = comparisonOf(t, string(source))
				dump = []byte(dumpOf(t, string(source)))
				p.MS = math.MaxInt32
			} else {
				dump = gunzip(t, source)
			}
			got := displayAt(t, dump, time.Duration(p.MS)*time.Millisecond, want.Rect)
			if err := rule.check(got, want); err != nil {
				t.Error(err)
				keepPictures(t, name, got, want)
			}
		})
	}
}

// recordingRule returns the comparison for a recording. If all images are lossless,
// the pictures must be identical; the same for lossy WebP images if the decoder is
// that of browsers.
func recordingRule(source string) comparison {
	switch {
	case strings.Contains(source, "tiny_jpeg"), WebPDecoder != "libwebp":
		return comparison{kind: "psnr", limit: 40}
	}
	return comparison{kind: "within", limit: 1}
}

// TestEveryReferenceIsCompared fails if a script or recording has no picture, or a
// picture has no entry in the manifest.
func TestEveryReferenceIsCompared(t *testing.T) {
	m := readManifest(t)
	sources := map[string]bool{}
	for name, p := range m.Pictures {
		sources[p.Source] = true
		if _, err := os.Stat(filepath.Join(referenceDir, "pictures", name)); err != nil {
			t.Error(err)
		}
	}
	for _, file := range glob(t, referenceDir+"pictures/*.png") {
		if _, ok := m.Pictures[filepath.Base(file)]; !ok {
			t.Errorf("%s is not in the manifest", file)
		}
	}
	for _, file := range glob(t, referenceDir+"scripts/*.txt") {
		if !sources["reference/scripts/"+filepath.Base(file)] {
			t.Errorf("%s has no picture: run make reference", file)
		}
	}
	var list []struct {
		Name, File string
		Times      []int64
	}
	data, err := os.ReadFile(referenceDir + "recordings.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		for _, ms := range r.Times {
			if p := m.Pictures[fmt.Sprintf("%s@%d.png", r.Name, ms)]; p.Source != r.File || p.MS != ms {
				t.Errorf("%s at %d ms has no picture: run make reference", r.Name, ms)
			}
		}
	}
}

// TestComparisonsCanFail: no rule accepts a different picture.
func TestComparisonsCanFail(t *testing.T) {
	a := image.NewRGBA(image.Rect(0, 0, 64, 64))
	fillRect(a, a.Rect, [4]byte{10, 10, 10, 255}, MaskSrc)
	b := image.NewRGBA(a.Rect)
	copy(b.Pix, a.Pix)
	fillRect(b, image.Rect(20, 20, 24, 24), [4]byte{250, 10, 10, 255}, MaskSrc)
	for _, rule := range []comparison{{"exact", 0}, {"within", 3}, {"psnr", 40}, {"edges", 60}, {"crossings", 60}} {
		if err := rule.check(a, a); err != nil {
			t.Errorf("%v refuses the same picture: %v", rule, err)
		}
		if rule.check(a, b) == nil || rule.check(b, a) == nil {
			t.Errorf("%v takes other pictures", rule)
		}
		if rule.check(a, a.SubImage(image.Rect(0, 0, 64, 63)).(*image.RGBA)) == nil {
			t.Errorf("%v takes another size", rule)
		}
	}
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func readPicture(t *testing.T, name, sum string) *image.RGBA {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(referenceDir, "pictures", name))
	if err != nil {
		t.Fatal(err)
	}
	if hash(data) != sum {
		t.Fatalf("%s is not the picture of the manifest", name)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, image.Point{}, draw.Src)
	return out
}

// displayAt plays a dump up to a time and returns the visible display at that time.
func displayAt(t *testing.T, dump []byte, at time.Duration, size image.Rectangle) *image.RGBA {
	t.Helper()
	var last *image.RGBA
	sink := sinkFunc(func(f Frame) error {
		if f.Time <= at && (last == nil || len(f.Damage) > 0) {
			last = image.NewRGBA(f.Image.Rect)
			copy(last.Pix, f.Image.Pix)
		}
		return nil
	})
	// The canvas is at least as large as the display was; the rest of it is black.
	if _, err := Play(t.Context(), []Part{dumpPart(t, dump)}, Options{FPS: 1000}, sink, nil); err != nil {
		t.Fatal(err)
	}
	if last == nil || !size.In(last.Rect) {
		t.Fatalf("no picture of %v", size)
	}
	for y := range last.Rect.Dy() {
		for x := range last.Rect.Dx() {
			if c := last.RGBAAt(x, y); !image.Pt(x, y).In(size) && (c.R|c.G|c.B) != 0 {
				t.Fatalf("%d,%d is %v: it lies outside of the display", x, y, c)
			}
		}
	}
	out := image.NewRGBA(size)
	draw.Draw(out, size, last, image.Point{}, draw.Src)
	return out
}

func keepPictures(t *testing.T, name string, got, want *image.RGBA) {
	t.Helper()
	if dir := os.Getenv("GUAC_TEST_PNG"); dir != "" {
		savePNG(t, filepath.Join(dir, "got-"+name), got)
		savePNG(t, filepath.Join(dir, "want-"+name), want)
	}
}

var imageWord = regexp.MustCompile(`^@([^[]+)(?:\[(\d+):(\d*)\])?$`)

// dumpOf converts a script (see testdata/reference/README.md) to a dump.
func dumpOf(t *testing.T, text string) string {
	t.Helper()
	var s script
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		var args []any
		for _, word := range words[1:] {
			if f := imageWord.FindStringSubmatch(word); f != nil {
				data, err := os.ReadFile(filepath.Join(referenceDir, "images", f[1]))
				if err != nil {
					t.Fatal(err)
				}
				from, _ := strconv.Atoi(f[2])
				if to, err := strconv.Atoi(f[3]); err == nil {
					data = data[:to]
				}
				word = base64.StdEncoding.EncodeToString(data[from:])
			}
			args = append(args, word)
		}
		s.add(words[0], args...)
	}
	return s.String()
}
