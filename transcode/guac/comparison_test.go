package guac

import (
	"fmt"
	"image"
	"math"
	"regexp"
	"strconv"
	"testing"
)

// comparison is how much a picture may differ from that of the reference player:
//
//	exact     not at all
//	within N  each channel of each pixel by at most N levels: rounding
//	psnr N    the whole picture, with a PSNR of at least N dB
//	edges N   pixels at an edge in the reference by at most N levels, and
//	          no more than one in ten of these by over N/2, because shapes are
//	          anti-aliased differently; all other pixels by at most 2 levels
//	crossings N  as edges, but up to three pixels by more: where
//	          outlines of opposite directions meet within a pixel
type comparison struct {
	kind  string
	limit float64
}

var comparisonLine = regexp.MustCompile(`(?m)^# compare: (exact|within|psnr|edges|crossings)(?: ([0-9]+))?$`)

func comparisonOf(t *testing.T, script string) comparison {
	t.Helper()
	m := comparisonLine.FindStringSubmatch(script)
	if m == nil {
		t.Fatal("the script does not say how to compare")
	}
	limit, _ := strconv.ParseFloat(m[2], 64)
	return comparison{m[1], limit}
}

func (c comparison) check(got, want *image.RGBA) error {
	if got.Rect != want.Rect {
		return fmt.Errorf("%v, want %v", got.Rect, want.Rect)
	}
	if c.kind == "psnr" {
		if db := psnr(got, want); db < c.limit {
			return fmt.Errorf("PSNR %.1f dB, want %g", db, c.limit)
		}
		return nil
	}
	edges, far := 0, 0
	worst, bad, crossings := 0, 0, 0
	var first image.Point
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			d := distance(got, want, x, y)
			worst = max(worst, d)
			allowed := c.limit
			if c.kind == "edges" || c.kind == "crossings" {
				allowed = 2
				if atEdge(want, x, y) {
					edges, allowed = edges+1, c.limit
					if float64(d) > c.limit/2 {
						far++
					}
				}
			}
			if float64(d) > allowed && c.kind == "crossings" && crossings < 3 {
				crossings++
				continue
			}
			if float64(d) > allowed {
				if bad == 0 {
					first = image.Pt(x, y)
				}
				bad++
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d pixels differ, by up to %d levels; %v is %v, want %v", bad, worst, first,
			got.RGBAAt(first.X, first.Y), want.RGBAAt(first.X, first.Y))
	}
	if 10*far > edges {
		return fmt.Errorf("%d of %d pixels at edges differ by more than %g levels", far, edges, c.limit/2)
	}
	return nil
}

// distance returns the largest difference of a channel of a pixel.
func distance(a, b *image.RGBA, x, y int) int {
	p, q := a.Pix[a.PixOffset(x, y):][:4], b.Pix[b.PixOffset(x, y):][:4]
	d := 0
	for i := range p {
		d = max(d, int(p[i])-int(q[i]), int(q[i])-int(p[i]))
	}
	return d
}

// atEdge reports whether a pixel and its neighbours have more than one colour.
func atEdge(img *image.RGBA, x, y int) bool {
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			if p := image.Pt(x+dx, y+dy); p.In(img.Rect) && img.RGBAAt(p.X, p.Y) != img.RGBAAt(x, y) {
				return true
			}
		}
	}
	return false
}

func psnr(a, b *image.RGBA) float64 {
	var sum float64
	n := 0
	for i := range a.Pix {
		if i%4 == 3 {
			continue
		}
		d := float64(a.Pix[i]) - float64(b.Pix[i])
		sum += d * d
		n++
	}
	return 10 * math.Log10(255*255/(sum/float64(n)))
}
