package guac

import (
	"fmt"
	"math"
	"time"
)

// Limits limit the resources that a recording may use. Recordings come from
// sessions that attackers may control.
type Limits struct {
	MaxWidth, MaxHeight int           // of a layer, buffer or image, pixels
	MaxScreen           int           // of the display, and of one image, pixels
	MaxPixels           int           // of all other layers and buffers together
	MaxLayers           int           // layers and buffers at the same time
	MaxStreams          int           // open streams at the same time
	MaxStreamBytes      int           // undecoded bytes of all open streams together
	MaxGap              time.Duration // a longer step of the clock means that the clock was set
	MaxDuration         time.Duration // of a recording
}

// smallScreen is the largest display, in pixels, that needs no more memory than any
// recording may use: two of 4K side by side.
const smallScreen = 17 << 20

// DefaultLimits allow displays of 64 megapixels, hours of idling, and sessions of
// two weeks. Whatever a recording of a few bytes asks for, playing it then takes
// less than 300 MB of Go's memory, and less than 400 MB with the encoders. A
// display of more than 17 megapixels takes [BytesPerPixel] more for each of its
// pixels. The limit of time is separate: see [ErrTooCostly].
var DefaultLimits = Limits{
	MaxWidth: 16384, MaxHeight: 16384, MaxScreen: 64 << 20, MaxPixels: smallScreen, MaxLayers: 4096,
	MaxStreams: 2048, MaxStreamBytes: 32 << 20, MaxGap: 24 * time.Hour, MaxDuration: 14 * 24 * time.Hour,
}

// BytesPerPixel is the maximum memory per pixel of a large display: for the
// display, for an image of its whole size or for its next size, and for decoding or
// copying these.
const BytesPerPixel = 16

// Within returns the limits if free bytes of memory are available.
func (l Limits) Within(free uint64) Limits {
	l.MaxScreen = min(l.MaxScreen, max(smallScreen, int(min(free/BytesPerPixel, math.MaxInt32))))
	return l
}

// of returns the limits of a recording whose display has at most that size.
func (l Limits) of(width, height int) Limits {
	l.MaxScreen = min(l.MaxScreen, max(smallScreen, width*height))
	return l
}

// Allows reports whether a display, a layer or an image may have a size.
func (l Limits) Allows(width, height int) bool {
	return width <= l.MaxWidth && height <= l.MaxHeight && width*height <= l.MaxScreen
}

// Large reports whether a display takes more memory than most recordings may use.
func Large(width, height int) bool { return width*height > smallScreen }

// ScreenError says that a display is too large to be drawn.
type ScreenError struct {
	Width, Height int // pixels
	Most          int // pixels that can be drawn
}

func (e *ScreenError) Error() string {
	return fmt.Sprintf("a screen of %d×%d pixels cannot be drawn: the limit here is %d million pixels, and %d in either direction",
		e.Width, e.Height, e.Most/1_000_000, DefaultLimits.MaxWidth)
}

// granted returns the limits of a recording of which that many bytes have been
// read: a long recording may have more pixels than a short one. Two displays of 4K
// and the buffers to draw them come with megabytes of images.
func (l Limits) granted(bytes int64) Limits {
	l.MaxPixels += int(min(bytes*pixelsPerByte, maxGrant))
	return l
}

const (
	pixelsPerByte = 8
	maxGrant      = 48 << 20 // pixels
)

func (l Limits) orDefault() Limits {
	if l == (Limits{}) {
		return DefaultLimits
	}
	return l
}
