package video

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errNotMP4 is wrapped by what [Tool.Probe] returns for a file whose boxes make
// no sense.
var errNotMP4 = errors.New("not an MP4")

// Bounds of an MP4's boxes. Whoever can write to the volume can put any file in
// the place of an MP4. Nothing of it is kept but small pieces, whatever it
// claims: tables are read as a stream. How deep boxes lie in each other follows
// from what is looked for, moov/trak/mdia/minf/stbl at most; what lies deeper is
// not looked at.
const (
	maxMoov     = 64 << 20 // bytes of the moov box: that of some million pictures
	maxBoxes    = 1 << 20  // that are looked at
	maxSmallBox = 64 << 10 // bytes of a box that is read whole
)

// span is where the body of a box lies in the file.
type span struct{ at, end int64 }

func (s span) size() int64 { return s.end - s.at }

// boxes reads the boxes of a file.
type boxReader struct {
	file  io.ReaderAt
	count int // boxes so far
}

// each calls do for each box in a part of the file. Errors: those of do, of the
// file, and errNotMP4 for a box that does not fit in.
func (b *boxReader) each(parent span, do func(kind string, body span) error) error {
	for parent.at < parent.end {
		if b.count++; b.count > maxBoxes {
			return fmt.Errorf("%w: more than %d boxes", errNotMP4, maxBoxes)
		}
		kind, body, err := b.readHeader(parent)
		if err != nil {
			return err
		}
		if err := do(kind, body); err != nil {
			return err
		}
		parent.at = body.end
	}
	return nil
}

// box reads the head of the first box.
func (b *boxReader) readHeader(parent span) (kind string, body span, err error) {
	var header [16]byte
	n := min(parent.size(), int64(len(header)))
	if n < 8 {
		return "", span{}, fmt.Errorf("%w: %d bytes where a box should be", errNotMP4, n)
	}
	if _, err := b.file.ReadAt(header[:n], parent.at); err != nil {
		return "", span{}, unexpectedEOF(err)
	}
	kind = string(header[4:8])
	size, headerSize := uint64(binary.BigEndian.Uint32(header[:4])), uint64(8)
	if size == 1 && n == 16 {
		size, headerSize = binary.BigEndian.Uint64(header[8:]), 16
	}
	if size < headerSize || size > uint64(parent.size()) {
		return "", span{}, fmt.Errorf("%w: box %q of %d bytes where there are %d", errNotMP4, kind, size, parent.size())
	}
	return kind, span{parent.at + int64(headerSize), parent.at + int64(size)}, nil
}

// cut says that a file has become shorter while it is read.
func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// small reads a box that can only be small.
func (b *boxReader) readSmall(kind string, body span) ([]byte, error) {
	if body.size() > maxSmallBox {
		return nil, fmt.Errorf("%w: box %q of %d bytes", errNotMP4, kind, body.size())
	}
	data := make([]byte, body.size())
	if _, err := b.file.ReadAt(data, body.at); err != nil && len(data) > 0 {
		return nil, unexpectedEOF(err)
	}
	return data, nil
}

// table is entries of a fixed width that are read one after the other.
type tableReader struct {
	r         *bufio.Reader
	entry     []byte
	remaining int64
	fillsBox  bool // the table fills its box
}

// table opens the table in a box, whose number of entries is the last of so many
// bytes before them.
func (b *boxReader) openTable(body span, headerSize, width int) (*tableReader, error) {
	header := make([]byte, headerSize)
	if body.size() < int64(headerSize) {
		return nil, fmt.Errorf("%w: a table of %d bytes", errNotMP4, body.size())
	}
	if _, err := b.file.ReadAt(header, body.at); err != nil {
		return nil, unexpectedEOF(err)
	}
	entries := int64(binary.BigEndian.Uint32(header[headerSize-4:]))
	if body.size()-int64(headerSize) < entries*int64(width) {
		return nil, fmt.Errorf("%w: a table of %d entries in %d bytes", errNotMP4, entries, body.size())
	}
	section := io.NewSectionReader(b.file, body.at+int64(headerSize), entries*int64(width))
	return &tableReader{
		r: bufio.NewReaderSize(section, 32<<10), entry: make([]byte, width), remaining: entries, fillsBox: section.Size() == body.size()-int64(headerSize),
	}, nil
}

// next is the next entry, valid until the one after it; io.EOF after the last.
func (t *tableReader) next() ([]byte, error) {
	if t.remaining == 0 {
		return nil, io.EOF
	}
	t.remaining--
	if _, err := io.ReadFull(t.r, t.entry); err != nil {
		return nil, unexpectedEOF(err)
	}
	return t.entry, nil
}

// trackBoxes are the boxes of a track that say something, by their kinds.
type trackBoxes struct {
	boxes     map[string]span
	duplicate string // one that is there more than once; the last counts
}

// track collects the boxes of a track.
func (b *boxReader) readTrack(body span) (trackBoxes, error) {
	t := trackBoxes{boxes: map[string]span{}}
	parents := map[string]string{
		"mdia": "trak", "minf": "mdia", "stbl": "minf", "hdlr": "mdia", "mdhd": "mdia",
		"stsd": "stbl", "stts": "stbl", "stsz": "stbl", "stsc": "stbl", "stco": "stbl", "co64": "stbl",
	}
	var walk func(parent string, body span) error
	walk = func(parent string, body span) error {
		return b.each(body, func(kind string, body span) error {
			if parents[kind] != parent {
				return nil
			}
			if _, seen := t.boxes[kind]; seen {
				t.duplicate = kind
			}
			t.boxes[kind] = body
			switch kind {
			case "mdia", "minf", "stbl":
				return walk(kind, body)
			}
			return nil
		})
	}
	return t, walk("trak", body)
}

// handler is the kind of a track: vide, soun or another.
func (b *boxReader) handlerType(t trackBoxes) (string, error) {
	body, ok := t.boxes["hdlr"]
	if !ok || body.size() < 12 {
		return "", nil
	}
	data, err := b.readSmall("hdlr", span{body.at, body.at + 12})
	if err != nil {
		return "", err
	}
	return string(data[8:]), nil
}

// entry reads the first sample entry of a track: its four characters, and what
// follows. It also returns how many there are.
func (b *boxReader) sampleEntry(t trackBoxes) (first []byte, entries uint32, err error) {
	data, err := b.readSmall("stsd", t.boxes["stsd"])
	if err != nil || len(data) < 16 {
		return nil, 0, err
	}
	size := int64(binary.BigEndian.Uint32(data[8:]))
	if size < 8 || size > int64(len(data)-8) {
		return nil, 0, fmt.Errorf("%w: a sample entry of %d bytes", errNotMP4, size)
	}
	return data[12 : 8+size], binary.BigEndian.Uint32(data[4:]), nil
}

// Fields of a sample entry of a video track, from its four characters on.
const (
	entryWidthOffset  = 28
	entryHeightOffset = 30
	entryBoxesOffset  = 82
)

// config is a box within a sample entry, nil when there is none.
func entryBox(entry []byte, kind string) (found []byte, err error) {
	if len(entry) < entryBoxesOffset {
		return nil, nil
	}
	inner := &boxReader{file: bytes.NewReader(entry)}
	err = inner.each(span{entryBoxesOffset, int64(len(entry))}, func(k string, body span) error {
		if k == kind {
			found = entry[body.at:body.end]
		}
		return nil
	})
	return found, err
}
