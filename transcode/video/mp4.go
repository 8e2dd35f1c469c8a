package video

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Info is what an MP4 says of itself, without decoding it.
type Info struct {
	Codec         string // h264, hevc, av1, or the sample entry's four characters
	Profile       string // High, or the number
	Width, Height int
	Frames        int
	Duration      time.Duration // of the video track
	Audio         bool
	FastStart     bool              // the index lies before the data
	Metadata      map[string]string // title, comment, creation_time (RFC 3339)
}

// errNotMP4 is wrapped by what [Tool.Probe] answers for a file whose boxes
// make no sense.
var errNotMP4 = errors.New("not an MP4")

// maxMoov bounds the index of an MP4 that is read, in bytes.
const maxMoov = 256 << 20

// Probe reads the index of an MP4. Errors: those of the file system, and a
// *VerifyError for what is no MP4 with a video in it.
func (t *Tool) Probe(ctx context.Context, path string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, context.Cause(ctx)
	}
	f, err := os.Open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	info, err := probe(f)
	if errors.Is(err, errNotMP4) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Info{}, bad("%v", err)
	}
	return info, err
}

func probe(f io.ReadSeeker) (Info, error) {
	info := Info{Metadata: map[string]string{}, FastStart: true}
	var data, index bool
	for {
		kind, size, err := nextBox(f)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return info, err
		}
		switch kind {
		case "mdat":
			data = true
		case "moov":
			if size > maxMoov {
				return info, fmt.Errorf("%w: an index of %d bytes", errNotMP4, size)
			}
			body := make([]byte, size)
			if _, err := io.ReadFull(f, body); err != nil {
				return info, err
			}
			index, info.FastStart = true, !data
			if err := info.moov(body); err != nil {
				return info, err
			}
			continue
		}
		if _, err := f.Seek(size, io.SeekCurrent); err != nil {
			return info, err
		}
	}
	if !index || !data || info.Codec == "" {
		return info, fmt.Errorf("%w with a video in it", errNotMP4)
	}
	return info, nil
}

// nextBox reads the head of a box and answers the size of its body in bytes.
// io.EOF means that there is none.
func nextBox(r io.Reader) (kind string, size int64, err error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:8]); err != nil {
		return "", 0, err
	}
	size, headSize := int64(binary.BigEndian.Uint32(head[:4])), int64(8)
	if size == 1 {
		if _, err := io.ReadFull(r, head[8:]); err != nil {
			return "", 0, err
		}
		size, headSize = int64(binary.BigEndian.Uint64(head[8:])), 16
	}
	kind = string(head[4:8])
	if size < headSize {
		return "", 0, fmt.Errorf("%w: box %q of %d bytes", errNotMP4, kind, size)
	}
	return kind, size - headSize, nil
}

// boxes calls do for each box in b.
func boxes(b []byte, do func(kind string, body []byte) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return fmt.Errorf("%w: %d bytes where a box should be", errNotMP4, len(b))
		}
		size := int(binary.BigEndian.Uint32(b))
		if size < 8 || size > len(b) {
			return fmt.Errorf("%w: box %q of %d bytes", errNotMP4, b[4:8], size)
		}
		if err := do(string(b[4:8]), b[8:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

func (i *Info) moov(b []byte) error {
	return boxes(b, func(kind string, body []byte) error {
		switch kind {
		case "mvhd":
			i.created(body)
		case "trak":
			return i.trak(body)
		case "udta":
			return i.udta(body)
		}
		return nil
	})
}

// created reads the movie's creation time, in seconds since 1904.
func (i *Info) created(b []byte) {
	if len(b) < 8 || b[0] != 0 {
		return
	}
	const from1904 = 2082844800
	if s := int64(binary.BigEndian.Uint32(b[4:])); s > from1904 {
		i.Metadata["creation_time"] = time.Unix(s-from1904, 0).UTC().Format(time.RFC3339)
	}
}

// track is what is collected of one.
type trackInfo struct {
	handler       string
	scale         uint32
	codec         string
	profile       byte
	width, height int
	frames        int64
	ticks         int64
}

func (i *Info) trak(b []byte) error {
	var t trackInfo
	if err := t.read(b); err != nil {
		return err
	}
	switch t.handler {
	case "soun":
		i.Audio = true
	case "vide":
		if t.scale == 0 {
			return fmt.Errorf("%w: a track without a time scale", errNotMP4)
		}
		i.Codec, i.Width, i.Height, i.Frames = t.codec, t.width, t.height, int(t.frames)
		switch t.codec {
		case "avc1":
			i.Codec = "h264"
		case "hvc1", "hev1":
			i.Codec = "hevc"
		case "av01":
			i.Codec = "av1"
		}
		i.Profile = fmt.Sprint(t.profile)
		if t.profile == 100 {
			i.Profile = "High"
		}
		i.Duration = time.Duration(float64(t.ticks) / float64(t.scale) * float64(time.Second))
	}
	return nil
}

func (t *trackInfo) read(b []byte) error {
	return boxes(b, func(kind string, body []byte) error {
		switch kind {
		case "mdia", "minf", "stbl":
			return t.read(body)
		case "hdlr":
			if len(body) >= 12 {
				t.handler = string(body[8:12])
			}
		case "mdhd":
			if len(body) >= 24 && body[0] == 0 {
				t.scale = binary.BigEndian.Uint32(body[12:])
			} else if len(body) >= 36 && body[0] == 1 {
				t.scale = binary.BigEndian.Uint32(body[20:])
			}
		case "stsd":
			t.entry(body)
		case "stts":
			return t.times(body)
		}
		return nil
	})
}

// entry reads the first sample entry: its codec, and of H.264 the profile.
func (t *trackInfo) entry(b []byte) {
	if len(b) < 16 {
		return
	}
	t.codec = string(b[12:16])
	if len(b) < 8+86 {
		return
	}
	t.width, t.height = int(binary.BigEndian.Uint16(b[40:])), int(binary.BigEndian.Uint16(b[42:]))
	_ = boxes(b[8+86:], func(kind string, body []byte) error {
		if kind == "avcC" && len(body) > 1 {
			t.profile = body[1]
		}
		return nil
	})
}

// times adds up the frames and their durations.
func (t *trackInfo) times(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("%w: a time table of %d bytes", errNotMP4, len(b))
	}
	n := int(binary.BigEndian.Uint32(b[4:]))
	if n > (len(b)-8)/8 {
		return fmt.Errorf("%w: a time table of %d entries in %d bytes", errNotMP4, n, len(b))
	}
	for k := range n {
		count := int64(binary.BigEndian.Uint32(b[8+8*k:]))
		t.frames += count
		t.ticks += count * int64(binary.BigEndian.Uint32(b[12+8*k:]))
	}
	return nil
}

// udta reads title and comment.
func (i *Info) udta(b []byte) error {
	names := map[string]string{"\xa9nam": "title", "\xa9cmt": "comment"}
	return boxes(b, func(kind string, body []byte) error {
		switch {
		case kind == "meta" && len(body) > 4:
			return i.udta(body[4:])
		case kind == "ilst":
			return i.udta(body)
		case names[kind] != "":
			return boxes(body, func(inner string, value []byte) error {
				if inner == "data" && len(value) >= 8 {
					i.Metadata[names[kind]] = string(value[8:])
				}
				return nil
			})
		}
		return nil
	})
}
