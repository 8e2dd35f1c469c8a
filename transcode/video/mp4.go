package video

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
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

// What an MP4 may say of itself: more is nonsense. A recording is 8192 pixels
// wide at most, and lasts two weeks.
const (
	maxDimension = 16384                // pixels
	maxFrames    = 50_000_000           // more than a month of 15 a second
	maxDuration  = 366 * 24 * time.Hour // of the video track
)

// Probe reads the index of an MP4. Errors: those of the file system, and a
// *VerifyError for what is no MP4 with a video in it.
func (t *Tool) Probe(ctx context.Context, path string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, context.Cause(ctx)
	}
	f, size, err := openMP4(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	info, err := probe(f, size)
	return info, asVerifyError(err)
}

// openMP4 opens a file that should be an MP4. Whatever else stands in its place
// is none.
func openMP4(path string) (*os.File, int64, error) {
	f, err := regular.Open(path)
	if errors.Is(err, regular.ErrNotRegular) {
		return nil, 0, verifyErrorf("%v: %v", errNotMP4, err)
	}
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// asVerify makes a *VerifyError of what is wrong with an MP4, and leaves what
// kept it from being read.
func asVerifyError(err error) error {
	if errors.Is(err, errNotMP4) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return verifyErrorf("%v", err)
	}
	return err
}

// probe reads what a file of a size in bytes says of itself.
func probe(f io.ReaderAt, size int64) (Info, error) {
	i := &prober{boxReader: boxReader{file: f}, info: Info{Metadata: map[string]string{}, FastStart: true}}
	var hasMdat, hasMoov bool
	err := i.each(span{0, size}, func(kind string, body span) error {
		switch kind {
		case "mdat":
			hasMdat = true
		case "moov":
			if body.size() > maxMoov {
				return fmt.Errorf("%w: an index of %d bytes", errNotMP4, body.size())
			}
			hasMoov, i.info.FastStart = true, !hasMdat
			return i.moov(body)
		}
		return nil
	})
	if err == nil && (!hasMoov || !hasMdat || i.info.Codec == "") {
		err = fmt.Errorf("%w with a video in it", errNotMP4)
	}
	return i.info, err
}

// prober collects what an MP4 says.
type prober struct {
	boxReader
	info Info
}

func (i *prober) moov(body span) error {
	return i.each(body, func(kind string, body span) error {
		switch kind {
		case "mvhd":
			return i.creationTime(body)
		case "trak":
			return i.trak(body)
		case "udta":
			return i.udta(body)
		}
		return nil
	})
}

// created reads the movie's creation time, in seconds since 1904.
func (i *prober) creationTime(body span) error {
	b, err := i.readSmall("mvhd", body)
	if err != nil || len(b) < 8 || b[0] != 0 {
		return err
	}
	const mp4Epoch = 2082844800
	if s := int64(binary.BigEndian.Uint32(b[4:])); s > mp4Epoch {
		i.info.Metadata["creation_time"] = time.Unix(s-mp4Epoch, 0).UTC().Format(time.RFC3339)
	}
	return nil
}

func (i *prober) trak(body span) error {
	t, err := i.readTrack(body)
	if err != nil {
		return err
	}
	handler, err := i.handlerType(t)
	switch {
	case err != nil:
		return err
	case handler == "soun":
		i.info.Audio = true
	case handler == "vide":
		if err := i.videoEntry(t); err != nil {
			return err
		}
		return i.frameTimes(t)
	}
	return nil
}

// picture reads a track's codec and size, and of H.264 the profile.
func (i *prober) videoEntry(t trackBoxes) error {
	entry, _, err := i.sampleEntry(t)
	if err != nil || len(entry) < 4 {
		return err
	}
	codecs := map[string]string{"avc1": "h264", "hvc1": "hevc", "hev1": "hevc", "av01": "av1"}
	i.info.Codec = cmp.Or(codecs[string(entry[:4])], string(entry[:4]))
	i.info.Profile = "0"
	if len(entry) < entryBoxesOffset {
		return nil
	}
	i.info.Width, i.info.Height = int(binary.BigEndian.Uint16(entry[entryWidthOffset:])), int(binary.BigEndian.Uint16(entry[entryHeightOffset:]))
	if i.info.Width > maxDimension || i.info.Height > maxDimension {
		return fmt.Errorf("%w: pictures of %d×%d pixels", errNotMP4, i.info.Width, i.info.Height)
	}
	avcC, err := entryBox(entry, "avcC")
	if err != nil {
		return err
	}
	if len(avcC) > 1 {
		i.info.Profile = fmt.Sprint(avcC[1])
		if avcC[1] == 100 {
			i.info.Profile = "High"
		}
	}
	return nil
}

// times adds up a track's frames and their durations.
func (i *prober) frameTimes(t trackBoxes) error {
	timescale, err := i.timescale(t)
	if err != nil {
		return err
	}
	body, ok := t.boxes["stts"]
	if !ok {
		return nil
	}
	table, err := i.openTable(body, 8, 8)
	if err != nil {
		return err
	}
	var frames, ticks int64
	for {
		e, err := table.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		n := int64(binary.BigEndian.Uint32(e))
		if frames += n; frames > maxFrames {
			return fmt.Errorf("%w: more than %d frames", errNotMP4, maxFrames)
		}
		ticks += n * int64(binary.BigEndian.Uint32(e[4:])) // fewer than 2⁵⁸
	}
	seconds := float64(ticks) / float64(timescale)
	if seconds > maxDuration.Seconds() {
		return fmt.Errorf("%w: a video of %.0f seconds", errNotMP4, seconds)
	}
	i.info.Frames, i.info.Duration = int(frames), time.Duration(seconds*float64(time.Second))
	return nil
}

// scale is how many ticks a track's second has.
func (i *prober) timescale(t trackBoxes) (uint32, error) {
	b, err := i.readSmall("mdhd", t.boxes["mdhd"])
	if err != nil {
		return 0, err
	}
	var timescale uint32
	if len(b) >= 24 && b[0] == 0 {
		timescale = binary.BigEndian.Uint32(b[12:])
	} else if len(b) >= 36 && b[0] == 1 {
		timescale = binary.BigEndian.Uint32(b[20:])
	}
	if timescale == 0 {
		return 0, fmt.Errorf("%w: a track without a time scale", errNotMP4)
	}
	return timescale, nil
}

// udta reads title and comment, which lie in meta/ilst.
func (i *prober) udta(body span) error {
	return i.each(body, func(kind string, body span) error {
		if kind != "meta" || body.size() <= 4 {
			return nil
		}
		body.at += 4
		return i.each(body, func(kind string, body span) error {
			if kind != "ilst" {
				return nil
			}
			return i.each(body, i.metadataItem)
		})
	})
}

// tag reads one of them. Longer ones than we write are another's, and as good as
// none.
func (i *prober) metadataItem(kind string, body span) error {
	name := map[string]string{"\xa9nam": "title", "\xa9cmt": "comment"}[kind]
	if name == "" || body.size() > maxSmallBox {
		return nil
	}
	return i.each(body, func(kind string, body span) error {
		if kind != "data" || body.size() < 8 {
			return nil
		}
		value, err := i.readSmall(kind, body)
		if err == nil {
			i.info.Metadata[name] = string(value[8:])
		}
		return err
	})
}
