package guac

import "time"

// Limits bound what a recording may cost. Recordings come from sessions that
// attackers may control.
type Limits struct {
	MaxWidth, MaxHeight int           // of a layer, buffer or image, pixels
	MaxPixels           int           // of all layers and buffers together, and of one image
	MaxLayers           int           // layers and buffers at once
	MaxStreams          int           // open streams at once
	MaxStreamBytes      int           // undecoded bytes of all open streams together
	MaxGap              time.Duration // a longer step of the clock is a clock that was set
	MaxDuration         time.Duration // of a recording
}

// DefaultLimits allow two displays of 4K side by side, hours of idling, and
// sessions of two weeks. Whatever some bytes ask for, playing them then takes
// less than 300 MB of Go's memory, and less than 400 MB with what encodes them.
// What they may cost in time is not among the limits: see [ErrTooCostly].
var DefaultLimits = Limits{
	MaxWidth: 8192, MaxHeight: 8192, MaxPixels: 17 << 20, MaxLayers: 4096,
	MaxStreams: 2048, MaxStreamBytes: 32 << 20, MaxGap: 24 * time.Hour, MaxDuration: 14 * 24 * time.Hour,
}

// granted are the limits of a display whose recording has been read so far: a
// recording that says much may have more pixels than one that says little. Two
// displays of 4K and the buffers that they are drawn with come with megabytes
// of images.
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
