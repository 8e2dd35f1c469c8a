package convert

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"os/exec"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
)

// Ghosts are measured in macroblocks whose last change was at least ghostFrom and at
// most ghostTo ago.
const (
	ghostFrom = 2 * time.Second
	ghostTo   = 6 * time.Second
	// ghostFlat is the largest difference, of 255, between a plain pixel and its
	// neighbours. Beside edges, the errors of any codec are larger, and nobody sees
	// them.
	ghostFlat = 3
)

// ghosts finds what a pointer or a window leaves behind at its old place.
type ghosts struct {
	columns, rows int
	changed       []time.Duration // time of the last change of each macroblock; 0 = not yet
}

// look compares the luma of a frame with that of the decoded one. It returns the
// largest difference, of 255, at plain pixels whose macroblock changed between
// ghostFrom and ghostTo ago.
func (g *ghosts) look(f guac.Frame, luma, got []byte) (most int) {
	size := f.Image.Rect.Size()
	if g.changed == nil {
		g.columns, g.rows = (size.X+15)/16, (size.Y+15)/16
		g.changed = make([]time.Duration, g.columns*g.rows)
	}
	for _, r := range f.Damage {
		r = r.Intersect(f.Image.Rect)
		for y := r.Min.Y / 16; y*16 < r.Max.Y; y++ {
			for x := r.Min.X / 16; x*16 < r.Max.X; x++ {
				g.changed[y*g.columns+x] = f.Time
			}
		}
	}
	for mb, at := range g.changed {
		if age := f.Time - at; at > 0 && age >= ghostFrom && age <= ghostTo {
			most = max(most, g.worst(mb, size, luma, got))
		}
	}
	return most
}

// worst returns the largest difference at plain pixels of a macroblock, of 255.
func (g *ghosts) worst(mb int, size image.Point, luma, got []byte) (most int) {
	x0, y0 := mb%g.columns*16, mb/g.columns*16
	for y := max(y0, 2); y < min(y0+16, size.Y-2); y++ {
		for x := max(x0, 2); x < min(x0+16, size.X-2); x++ {
			at := y*size.X + x
			differs := int(luma[at]) - int(got[at])
			if differs = max(differs, -differs); differs > most && plain(luma, at, size.X) {
				most = differs
			}
		}
	}
	return most
}

// plain reports whether the 5×5 pixels around a pixel differ from it by at most
// ghostFlat.
func plain(luma []byte, at, stride int) bool {
	v := int(luma[at])
	for dy := -2; dy <= 2; dy++ {
		for dx := -2; dx <= 2; dx++ {
			if d := int(luma[at+dy*stride+dx]) - v; d > ghostFlat || d < -ghostFlat {
				return false
			}
		}
	}
	return true
}

// timesOf returns the times at which the frames of a video are shown, in the order of
// its packets, rounded to milliseconds.
func timesOf(ctx context.Context, mp4 string) (times []time.Duration, err error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", mp4).Output()
	if err != nil {
		return nil, fmt.Errorf("ffprobe: %w", err)
	}
	for field := range bytes.FieldsSeq(out) {
		seconds, err := strconv.ParseFloat(string(bytes.Trim(field, ",")), 64)
		if err != nil {
			return nil, fmt.Errorf("ffprobe: %w", err)
		}
		times = append(times, time.Duration(seconds*float64(time.Second)).Round(time.Millisecond))
	}
	return times, nil
}
