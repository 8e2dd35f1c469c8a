package video

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errNotMP4 is wrapped by errors of [Tool.Probe] about a file whose boxes are
// invalid.
var errNotMP4 = errors.New("not an MP4")

// Limits for the boxes of an MP4. Anyone who can write to the volume can replace an
// MP4 by any file. Only small boxes are read into memory, whatever sizes the file
// claims; tables are read as a stream. The nesting depth is limited too: boxes are
// followed down to moov/trak/mdia/minf/stbl, not deeper.
const (
	maxMoov     = 64 << 20 // bytes of the moov box, enough for some million samples
	maxBoxes    = 1 << 20  // boxes to read
	maxSmallBox = 64 << 10 // bytes of a box that is read into memory
)

// span is the position of a box's body in the file.
type span struct{ at, end int64 }

func (s span) size() int64 { return s.end - s.at }

// boxReader reads the boxes of a file.
type boxReader struct {
	file  io.ReaderAt
	count int // boxes read so far
}

// each calls do for each box in parent. It returns errors of do and of the file, and
// errNotMP4 for a box that exceeds parent.
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

// readHeader reads the header of the first box in parent.
func (b *boxReader) readHeader(parent span) (kind string, body span, err error) {
	var header [16]byte
	n := min(parent.size(), int64(len(header)))
	if n < 8 {
		return "", span{}, fmt.Errorf("%w: %d bytes are too few for a box", errNotMP4, n)
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
		return "", span{}, fmt.Errorf("%w: box %q has %d bytes, but only %d are left", errNotMP4, kind, size, parent.size())
	}
	return kind, span{parent.at + int64(headerSize), parent.at + int64(size)}, nil
}

// unexpectedEOF converts io.EOF: the file was truncated while it was read.
func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readSmall reads a box of at most maxSmallBox bytes.
func (b *boxReader) readSmall(kind string, body span) ([]byte, error) {
	if body.size() > maxSmallBox {
		return nil, fmt.Errorf("%w: box %q is too large: %d bytes", errNotMP4, kind, body.size())
	}
	data := make([]byte, body.size())
	if _, err := b.file.ReadAt(data, body.at); err != nil && len(data) > 0 {
		return nil, unexpectedEOF(err)
	}
	return data, nil
}

// tableReader reads the entries of a table, which have a fixed width, one by one.
type tableReader struct {
	r         *bufio.Reader
	entry     []byte
	remaining int64
	fillsBox  bool // the table takes the whole box
}

// openTable opens the table in a box. The number of entries is in the last four bytes
// of the table's header; headerSize and width are in bytes.
func (b *boxReader) openTable(body span, headerSize, width int) (*tableReader, error) {
	header := make([]byte, headerSize)
	if body.size() < int64(headerSize) {
		return nil, fmt.Errorf("%w: a table of %d bytes has no header", errNotMP4, body.size())
	}
	if _, err := b.file.ReadAt(header, body.at); err != nil {
		return nil, unexpectedEOF(err)
	}
	entries := int64(binary.BigEndian.Uint32(header[headerSize-4:]))
	if body.size()-int64(headerSize) < entries*int64(width) {
		return nil, fmt.Errorf("%w: a table of %d entries does not fit into %d bytes", errNotMP4, entries, body.size())
	}
	section := io.NewSectionReader(b.file, body.at+int64(headerSize), entries*int64(width))
	return &tableReader{
		r: bufio.NewReaderSize(section, 32<<10), entry: make([]byte, width), remaining: entries, fillsBox: section.Size() == body.size()-int64(headerSize),
	}, nil
}

// next returns the next entry, which is valid until the next call; io.EOF after the
// last one.
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

// trackBoxes holds the boxes of a track that are used here, by type.
type trackBoxes struct {
	boxes     map[string]span
	duplicate string // type of a box that occurs more than once; the last one is used
}

// readTrack collects the boxes of a track.
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

// handlerType returns the handler type of a track: vide, soun or another.
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

// sampleEntry reads the first sample entry of a track, from its four-character code
// on. It also returns the number of sample entries.
func (b *boxReader) sampleEntry(t trackBoxes) (first []byte, entries uint32, err error) {
	data, err := b.readSmall("stsd", t.boxes["stsd"])
	if err != nil || len(data) < 16 {
		return nil, 0, err
	}
	size := int64(binary.BigEndian.Uint32(data[8:]))
	if size < 8 || size > int64(len(data)-8) {
		return nil, 0, fmt.Errorf("%w: invalid size of a sample entry: %d bytes", errNotMP4, size)
	}
	return data[12 : 8+size], binary.BigEndian.Uint32(data[4:]), nil
}

// Offsets of fields in a video sample entry, from its four-character code on.
const (
	entryWidthOffset  = 28
	entryHeightOffset = 30
	entryBoxesOffset  = 82
)

// entryBox returns the body of a box in a sample entry, or nil.
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
