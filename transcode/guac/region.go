package guac

import "image"

// maxRects is the maximum number of separate rectangles: more would cost more to
// handle than they save.
const maxRects = 24

// region is a set of pixels as disjoint rectangles. If there are too many
// rectangles it covers more than was added, never less.
type region struct{ rects []image.Rectangle }

// add adds r to the region.
func (g *region) add(r image.Rectangle) {
	if r.Empty() {
		return
	}
	for _, have := range g.rects {
		if r.In(have) {
			return
		}
	}
	// Join r with all rectangles that it overlaps, until it overlaps none: the
	// parts of a screen that change together are usually close together.
	for i := 0; i < len(g.rects); {
		have := g.rects[i]
		u := r.Union(have)
		if r.Overlaps(have) || area(u) <= area(r)+area(have) {
			r = u
			g.rects[i] = g.rects[len(g.rects)-1]
			g.rects = g.rects[:len(g.rects)-1]
			i = 0
			continue
		}
		i++
	}
	g.rects = append(g.rects, r)
	if len(g.rects) > maxRects {
		g.merge()
	}
}

// merge joins the two rectangles whose union wastes the least area.
func (g *region) merge() {
	best, bi, bj := -1, 0, 1
	for i := range g.rects {
		for j := i + 1; j < len(g.rects); j++ {
			u := area(g.rects[i].Union(g.rects[j])) - area(g.rects[i]) - area(g.rects[j])
			if best < 0 || u < best {
				best, bi, bj = u, i, j
			}
		}
	}
	u := g.rects[bi].Union(g.rects[bj])
	g.rects[bj] = g.rects[len(g.rects)-1]
	g.rects = g.rects[:len(g.rects)-1]
	g.rects[bi] = g.rects[len(g.rects)-1]
	g.rects = g.rects[:len(g.rects)-1]
	g.add(u)
}

func (g *region) empty() bool { return len(g.rects) == 0 }
func (g *region) clear()      { g.rects = g.rects[:0] }

func area(r image.Rectangle) int { return r.Dx() * r.Dy() }
