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

// When remains of what was at a place before count: from two seconds after its last
// change until most changes are forgotten.
const (
	ghostFrom = 2 * time.Second
	ghostTo   = 6 * time.Second
	// ghostFlat is how much the neighbours of a pixel may differ from it: beside edges
	// any codec is off by more, and nobody sees it.
	ghostFlat = 3
)

// ghosts finds what is left in plain places of what was there before.
type ghosts struct {
	columns, rows int
	changed       []time.Duration // last, of each macroblock
}

// look compares a frame with the decoded one, and returns the largest difference in
// plain places that changed some seconds ago, of 255.
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

// worst is the largest difference at plain pixels of a macroblock.
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

// plain reports whether the 5×5 pixels around one are nearly alike.
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

// timesOf returns when the frames of a video are shown, in their order.
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
