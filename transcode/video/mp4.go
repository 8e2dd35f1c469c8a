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

// Info is what the headers of an MP4 contain. Nothing is decoded for it.
type Info struct {
	Codec         string // h264, hevc, av1, or the code of the sample entry
	Profile       string // High, or the number of the profile
	Width, Height int
	Frames        int
	Duration      time.Duration // of the video track
	Audio         bool
	FastStart     bool              // moov is before mdat
	Metadata      map[string]string // title, comment, creation_time (RFC 3339)
}

// Limits for the values in an MP4; larger ones are invalid. A recording is at most
// 8192 pixels wide and two weeks long.
const (
	maxDimension = 16384                // pixels
	maxFrames    = 50_000_000           // more than a month at 15 frames per second
	maxDuration  = 366 * 24 * time.Hour // of the video track
)

// Probe reads the headers of an MP4. It returns errors of the file system, and a
// *VerifyError for a file that is not an MP4 with a video track.
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

// openMP4 opens a file that should be an MP4. If it is not a regular file, the error
// is a *VerifyError.
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

// asVerifyError converts errors about the contents of an MP4 to a *VerifyError.
// Errors of reading stay as they are.
func asVerifyError(err error) error {
	if errors.Is(err, errNotMP4) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return verifyErrorf("%v", err)
	}
	return err
}

// probe reads the headers of a file of size bytes.
func probe(f io.ReaderAt, size int64) (Info, error) {
	p := &prober{boxReader: boxReader{file: f}, info: Info{Metadata: map[string]string{}, FastStart: true}}
	var hasMdat, hasMoov bool
	err := p.each(span{0, size}, func(kind string, body span) error {
		switch kind {
		case "mdat":
			hasMdat = true
		case "moov":
			if body.size() > maxMoov {
				return fmt.Errorf("%w: the moov box is too large: %d bytes", errNotMP4, body.size())
			}
			hasMoov, p.info.FastStart = true, !hasMdat
			return p.moov(body)
		}
		return nil
	})
	if err == nil && (!hasMoov || !hasMdat || p.info.Codec == "") {
		err = fmt.Errorf("%w with a video track", errNotMP4)
	}
	return p.info, err
}

// prober collects the fields of [Info].
type prober struct {
	boxReader
	info Info
}

func (p *prober) moov(body span) error {
	return p.each(body, func(kind string, body span) error {
		switch kind {
		case "mvhd":
			return p.creationTime(body)
		case "trak":
			return p.trak(body)
		case "udta":
			return p.udta(body)
		}
		return nil
	})
}

// creationTime reads the movie's creation time, in seconds since 1904.
func (p *prober) creationTime(body span) error {
	b, err := p.readSmall("mvhd", body)
	if err != nil || len(b) < 8 || b[0] != 0 {
		return err
	}
	const mp4Epoch = 2082844800
	if s := int64(binary.BigEndian.Uint32(b[4:])); s > mp4Epoch {
		p.info.Metadata["creation_time"] = time.Unix(s-mp4Epoch, 0).UTC().Format(time.RFC3339)
	}
	return nil
}

func (p *prober) trak(body span) error {
	t, err := p.readTrack(body)
	if err != nil {
		return err
	}
	handler, err := p.handlerType(t)
	switch {
	case err != nil:
		return err
	case handler == "soun":
		p.info.Audio = true
	case handler == "vide":
		if err := p.videoEntry(t); err != nil {
			return err
		}
		return p.frameTimes(t)
	}
	return nil
}

// videoEntry reads the codec and size of a track, and the profile of H.264.
func (p *prober) videoEntry(t trackBoxes) error {
	entry, _, err := p.sampleEntry(t)
	if err != nil || len(entry) < 4 {
		return err
	}
	codecs := map[string]string{"avc1": "h264", "hvc1": "hevc", "hev1": "hevc", "av01": "av1"}
	p.info.Codec = cmp.Or(codecs[string(entry[:4])], string(entry[:4]))
	p.info.Profile = "0"
	if len(entry) < entryBoxesOffset {
		return nil
	}
	p.info.Width, p.info.Height = int(binary.BigEndian.Uint16(entry[entryWidthOffset:])), int(binary.BigEndian.Uint16(entry[entryHeightOffset:]))
	if p.info.Width > maxDimension || p.info.Height > maxDimension {
		return fmt.Errorf("%w: the video is too large: %d×%d pixels", errNotMP4, p.info.Width, p.info.Height)
	}
	avcC, err := entryBox(entry, "avcC")
	if err != nil {
		return err
	}
	if len(avcC) > 1 {
		p.info.Profile = fmt.Sprint(avcC[1])
		if avcC[1] == 100 {
			p.info.Profile = "High"
		}
	}
	return nil
}

// frameTimes adds up the frames of a track and their durations.
func (p *prober) frameTimes(t trackBoxes) error {
	timescale, err := p.timescale(t)
	if err != nil {
		return err
	}
	body, ok := t.boxes["stts"]
	if !ok {
		return nil
	}
	table, err := p.openTable(body, 8, 8)
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
		ticks += n * int64(binary.BigEndian.Uint32(e[4:])) // less than 2⁵⁸
	}
	seconds := float64(ticks) / float64(timescale)
	if seconds > maxDuration.Seconds() {
		return fmt.Errorf("%w: the video is too long: %.0f seconds", errNotMP4, seconds)
	}
	p.info.Frames, p.info.Duration = int(frames), time.Duration(seconds*float64(time.Second))
	return nil
}

// timescale returns the ticks per second of a track.
func (p *prober) timescale(t trackBoxes) (uint32, error) {
	b, err := p.readSmall("mdhd", t.boxes["mdhd"])
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
		return 0, fmt.Errorf("%w: a track without a timescale", errNotMP4)
	}
	return timescale, nil
}

// udta reads title and comment, which are in meta/ilst.
func (p *prober) udta(body span) error {
	return p.each(body, func(kind string, body span) error {
		if kind != "meta" || body.size() <= 4 {
			return nil
		}
		body.at += 4
		return p.each(body, func(kind string, body span) error {
			if kind != "ilst" {
				return nil
			}
			return p.each(body, p.metadataItem)
		})
	})
}

// metadataItem reads title or comment. Long ones are not ours and are ignored.
func (p *prober) metadataItem(kind string, body span) error {
	name := map[string]string{"\xa9nam": "title", "\xa9cmt": "comment"}[kind]
	if name == "" || body.size() > maxSmallBox {
		return nil
	}
	return p.each(body, func(kind string, body span) error {
		if kind != "data" || body.size() < 8 {
			return nil
		}
		value, err := p.readSmall(kind, body)
		if err == nil {
			p.info.Metadata[name] = string(value[8:])
		}
		return err
	})
}
