package guactest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Random returns a script of random instructions in the language of
// testdata/reference/README.md; a seed always gives the same script. It uses only
// instructions that the reference player can draw, in one of several styles. The
// styles differ in how exactly browsers can be matched; the script states its
// comparison.
func Random(seed uint64) string {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 20))}
	styles := []func(*random){(*random).exact, (*random).translucent, (*random).shapes, (*random).pictures}
	styles[seed%uint64(len(styles))](r)
	return r.text.String()
}

// random writes a script.
type random struct {
	*rand.Rand
	text   strings.Builder
	w, h   int
	ms     int
	depth  map[int]int // saved states by layer
	layers []int       // layers and buffers with a size
}

func (r *random) say(words ...any) { fmt.Fprintln(&r.text, words...) }

// between returns a number from low to high.
func (r *random) between(low, high int) int { return low + r.IntN(high-low+1) }

func one[T any](r *random, of ...T) T { return of[r.IntN(len(of))] }

// begin writes a screen, and layers and buffers to draw on.
func (r *random) begin(compare string, buffers, layers int) {
	r.w, r.h, r.ms, r.depth, r.layers = r.between(40, 130), r.between(40, 100), 1000, map[int]int{}, []int{0}
	r.say("# Random.")
	r.say("# compare:", compare)
	r.say("size", 0, r.w, r.h)
	for i := range buffers {
		r.layers = append(r.layers, -1-i)
		r.say("size", -1-i, r.between(10, 90), r.between(10, 90)) // the player fails for empty ones
	}
	for i := range layers {
		r.layers = append(r.layers, 1+i)
		r.say("size", 1+i, r.between(10, 90), r.between(10, 90))
		r.say("move", 1+i, r.IntN(i+1), r.between(-20, r.w-10), r.between(-20, r.h-10), r.between(-2, 2))
	}
	r.box(0, 14, [4]int{r.IntN(256), r.IntN(256), r.IntN(256), 255})
	r.sync()
}

func (r *random) sync() {
	r.ms += r.between(1, 400)
	r.say("sync", r.ms)
}

func (r *random) layer() int { return one(r, r.layers...) }

// place returns a point on the screen or near it.
func (r *random) place() (x, y int) { return r.between(-15, r.w+15), r.between(-15, r.h+15) }

func (r *random) solid() [4]int { return [4]int{r.IntN(256), r.IntN(256), r.IntN(256), 255} }

func (r *random) colour() [4]int {
	c := r.solid()
	if r.IntN(2) == 0 {
		c[3] = r.IntN(256)
	}
	return c
}

func (r *random) mask() int { return one(r, 14, 14, 14, 14, 12, 1, 2, 4, 6, 8, 9, 10, 11, 15) }

func (r *random) box(layer, mask int, c [4]int) {
	x, y := r.place()
	r.say("rect", layer, x, y, r.between(1, r.w), r.between(1, r.h))
	r.say("cfill", mask, layer, c[0], c[1], c[2], c[3])
}

// state saves, restores or resets a layer's drawing state.
func (r *random) state(layer int) {
	switch r.IntN(4) {
	case 0:
		r.say("push", layer)
		r.depth[layer]++
	case 1:
		if r.depth[layer] > 0 {
			r.say("pop", layer)
			r.depth[layer]--
		}
	case 2:
		r.say("reset", layer)
	case 3:
		x, y := r.place()
		r.say("push", layer)
		r.say("rect", layer, x, y, r.between(10, r.w), r.between(10, r.h))
		r.say("clip", layer)
		r.depth[layer]++
	}
}

func (r *random) copy(opcode string, how int) {
	from, to := r.layer(), r.layer()
	x, y := r.place()
	to1, to2 := r.place()
	r.say(opcode, from, x, y, r.between(1, r.w), r.between(1, r.h), how, to, to1, to2)
}

// arrange moves layers.
func (r *random) arrange() {
	l := r.layer()
	if l <= 0 {
		return
	}
	switch r.IntN(3) {
	case 0:
		r.say("move", l, r.IntN(l), r.between(-20, r.w), r.between(-20, r.h), r.between(-2, 2))
	case 1:
		r.say("size", l, r.between(5, 90), r.between(5, 90))
	case 2:
		r.say("dispose", l)
		r.say("size", l, r.between(5, 90), r.between(5, 90))
		r.say("move", l, 0, r.between(-20, r.w), r.between(-20, r.h), r.between(-2, 2))
		delete(r.depth, l)
	}
}

// picture draws an image through a stream, sometimes while another one is open.
func (r *random) picture(layer, mask int, files ...string) {
	file := one(r, files...)
	mimetype := "image/" + strings.Replace(file[strings.LastIndexByte(file, '.')+1:], "jpg", "jpeg", 1)
	stream, cut := r.between(1, 5), r.between(1, 90)
	x, y := r.place()
	r.say("img", stream, mask, layer, mimetype, x, y)
	r.say("blob", stream, fmt.Sprintf("@%s[0:%d]", file, cut))
	if r.IntN(4) == 0 {
		r.box(layer, 14, r.solid())
	}
	r.say("blob", stream, fmt.Sprintf("@%s[%d:]", file, cut))
	r.say("end", stream)
}

func (r *random) pointer() {
	from := r.layer()
	r.say("cursor", r.between(0, 8), r.between(0, 8), from, r.between(0, 20), r.between(0, 20), r.between(1, 16), r.between(1, 16))
	r.say("mouse", r.IntN(r.w), r.IntN(r.h))
}

// sound plays a sound, which must not affect drawing and must be heard completely.
func (r *random) sound() {
	stream := r.between(6, 9)
	kind := one(r, "audio/L16;rate=44100,channels=2", "audio/L8;rate=8000,channels=1", "audio/L16;rate=22050,channels=1")
	r.say("audio", stream, kind)
	for range r.between(1, 3) { // whole samples of any kind
		r.say("blob", stream, fmt.Sprintf("@tile.png[%d:%d]", 4*r.IntN(5), 4*r.between(6, 25)))
	}
	if r.IntN(2) == 0 {
		r.say("end", stream)
	}
}

// exact draws opaque things at whole pixels, which have only one correct result.
func (r *random) exact() {
	r.begin("exact", 2, 2)
	for range r.between(15, 45) {
		switch l := r.layer(); r.IntN(11) {
		case 0, 1, 2:
			r.box(l, r.mask(), r.solid())
		case 3:
			r.copy("copy", r.mask())
		case 4:
			r.copy("transfer", r.IntN(16))
		case 5:
			r.state(l)
		case 6:
			r.arrange()
		case 7:
			r.picture(l, r.mask(), "photo.png", "tile.png", "grey.png")
		case 8:
			r.say("transform", l, 1, 0, 0, 1, r.between(-9, 9), r.between(-9, 9))
		case 9:
			r.pointer()
			r.sound()
		case 10:
			x, y := r.place()
			r.say("rect", l, x, y, r.between(1, 60), r.between(1, 60))
			r.say("lfill", r.mask(), l, one(r, 0, -1, 1, 2))
		}
		if r.IntN(4) == 0 {
			r.sync()
		}
	}
	r.sync()
}

// translucent draws with every degree of transparency at whole pixels.
func (r *random) translucent() {
	r.begin("within 3", 1, 2)
	for range r.between(8, 20) {
		switch l := r.layer(); r.IntN(7) {
		case 0, 1:
			r.box(l, r.mask(), r.colour())
		case 2:
			r.copy("copy", r.mask())
		case 3:
			r.state(l)
		case 4:
			r.arrange()
		case 5:
			r.picture(l, r.mask(), "alpha.png", "alphas.png", "palette.png", "greyalpha.png", "deep.png")
		case 6:
			if l > 0 {
				r.say("shade", l, r.IntN(256))
			}
		}
	}
	r.sync()
}

// shapes fills, strokes and clips by paths of all kinds.
func (r *random) shapes() {
	r.begin("crossings 110", 1, 0)
	for range r.between(3, 9) {
		r.path(0)
		c := r.colour()
		switch r.IntN(5) {
		case 0, 1:
			r.say("cfill", r.mask(), 0, c[0], c[1], c[2], c[3])
		case 2, 3:
			if r.IntN(4) == 0 {
				r.say("set", 0, "miter-limit", r.between(1, 30))
			}
			r.say("cstroke", one(r, 14, 14, 14, r.mask()), 0, r.IntN(3), r.IntN(3), r.between(1, 12), c[0], c[1], c[2], c[3])
		case 4:
			r.say("push", 0)
			r.say("clip", 0)
			r.box(0, 14, r.colour())
			r.say("pop", 0)
		}
	}
	r.sync()
}

// path writes lines, curves, arcs and rectangles, some without any area.
func (r *random) path(layer int) {
	point := func() (x, y int) { return r.between(-5, r.w+5), r.between(-5, r.h+5) }
	x, y := point()
	switch r.IntN(8) {
	case 0:
		r.say("rect", layer, x, y, r.between(0, r.w), r.between(0, r.h))
		return
	case 1:
		r.say("arc", layer, x, y, r.between(0, 40), r.between(-4, 4), r.between(-4, 7), r.IntN(2))
		return
	case 2: // nothing but a line
		r.say("start", layer, x, y)
		x, y = point()
		r.say("line", layer, x, y)
		return
	}
	r.say("start", layer, x, y)
	for range r.between(1, 5) {
		x, y = point()
		switch r.IntN(4) {
		case 0, 1:
			r.say("line", layer, x, y)
		case 2:
			ax, ay := point()
			bx, by := point()
			r.say("curve", layer, ax, ay, bx, by, x, y)
		case 3:
			r.say("arc", layer, x, y, r.between(3, 30), r.between(-4, 4), r.between(-4, 7), r.IntN(2))
		}
	}
	if r.IntN(2) == 0 {
		r.say("close", layer)
	}
}

// pictures draws images of all types, some of them rotated and stretched.
func (r *random) pictures() {
	r.begin("psnr 32", 1, 1)
	for range r.between(2, 6) {
		l := r.layer()
		turned := r.IntN(3) == 0
		if turned {
			r.say("push", l)
			r.say("transform", l, fmt.Sprintf("%.2f", 0.5+2*r.Float64()), fmt.Sprintf("%.2f", r.Float64()-0.5), fmt.Sprintf("%.2f", r.Float64()-0.5),
				fmt.Sprintf("%.2f", 0.5+2*r.Float64()), r.between(-9, 30), r.between(-9, 30))
		}
		r.picture(l, 14, "photo.jpg", "photo.webp", "lossless.webp", "alpha.webp", "photo.png", "alpha.png")
		if turned {
			r.say("pop", l)
		}
	}
	if r.IntN(3) == 0 {
		r.say("distort", 1, fmt.Sprintf("%.2f", 0.7+r.Float64()), fmt.Sprintf("%.2f", r.Float64()/2), 0, fmt.Sprintf("%.2f", 0.7+r.Float64()), r.between(-9, 9), r.between(-9, 9))
	}
	r.sync()
}
