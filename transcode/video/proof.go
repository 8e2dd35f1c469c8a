package video

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"os"
)

// A proof is the SHA-256 of an H.264 track: its decoder configuration and its
// pictures as Matroska and MP4 have them. Joining copies them unchanged, so
// that what decodes in the one decodes in the other, and the MP4 need not be
// decoded once more.
type proof struct{ hash.Hash }

func newProof(config []byte) proof {
	p := proof{sha256.New()}
	p.add(config)
	return p
}

// add takes what comes next, with its length.
func (p proof) add(b []byte) {
	_, _ = p.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	_, _ = p.Write(b)
}

// proofOf is the proof of an MP4's video track.
func proofOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	moov, err := index(f)
	if err != nil {
		return nil, err
	}
	var t tables
	if err := t.moov(moov); err != nil {
		return nil, err
	}
	p := newProof(t.config)
	if err := t.samples(func(offset, size int64) error {
		if size > maxPicture {
			return fmt.Errorf("%w: a picture of %d bytes", errNotMP4, size)
		}
		b := make([]byte, size)
		if _, err := f.ReadAt(b, offset); err != nil {
			return err
		}
		p.add(b)
		return nil
	}); err != nil {
		return nil, err
	}
	return p.Sum(nil), nil
}

// maxPicture bounds an encoded picture, in bytes.
const maxPicture = 256 << 20

// index reads the moov box of an MP4.
func index(f io.ReadSeeker) ([]byte, error) {
	for {
		kind, size, err := nextBox(f)
		if err != nil {
			return nil, err
		}
		if kind == "moov" && size <= maxMoov {
			body := make([]byte, size)
			_, err := io.ReadFull(f, body)
			return body, err
		}
		if _, err := f.Seek(size, io.SeekCurrent); err != nil {
			return nil, err
		}
	}
}

// tables are those of the video track that say where its pictures lie.
type tables struct {
	handler string
	config  []byte // avcC
	sizes   []byte // stsz
	runs    []byte // stsc
	chunks  []byte // stco or co64
	wide    bool   // co64
}

func (t *tables) moov(b []byte) error {
	return boxes(b, func(kind string, body []byte) error {
		if kind != "trak" || t.handler == "vide" {
			return nil
		}
		*t = tables{}
		return t.trak(body)
	})
}

func (t *tables) trak(b []byte) error {
	return boxes(b, func(kind string, body []byte) error {
		switch kind {
		case "mdia", "minf", "stbl":
			return t.trak(body)
		case "hdlr":
			if len(body) >= 12 {
				t.handler = string(body[8:12])
			}
		case "stsd":
			if len(body) > 8+86 {
				return boxes(body[8+86:], func(kind string, body []byte) error {
					if kind == "avcC" {
						t.config = body
					}
					return nil
				})
			}
		case "stsz":
			t.sizes = body
		case "stsc":
			t.runs = body
		case "stco", "co64":
			t.chunks, t.wide = body, kind == "co64"
		}
		return nil
	})
}

// samples visits the pictures in order.
func (t *tables) samples(visit func(offset, size int64) error) error {
	sizes, ok1 := t.allSizes()
	runs, ok2 := table(t.runs, 4, 12)
	width := 4
	if t.wide {
		width = 8
	}
	chunks, ok3 := table(t.chunks, 4, width)
	if !ok1 || !ok2 || !ok3 || t.handler != "vide" {
		return fmt.Errorf("%w: its tables of pictures make no sense", errNotMP4)
	}
	perChunk := 0
	for chunk := 0; len(chunks) > 0; chunk++ {
		if len(runs) > 0 && int(binary.BigEndian.Uint32(runs)) == chunk+1 {
			perChunk, runs = int(binary.BigEndian.Uint32(runs[4:])), runs[12:]
		}
		var offset int64
		if t.wide {
			offset = int64(binary.BigEndian.Uint64(chunks))
		} else {
			offset = int64(binary.BigEndian.Uint32(chunks))
		}
		chunks = chunks[width:]
		for range perChunk {
			if len(sizes) == 0 {
				return fmt.Errorf("%w: more places than pictures", errNotMP4)
			}
			size := int64(binary.BigEndian.Uint32(sizes))
			sizes = sizes[4:]
			if err := visit(offset, size); err != nil {
				return err
			}
			offset += size
		}
	}
	if len(sizes) > 0 {
		return fmt.Errorf("%w: more pictures than places", errNotMP4)
	}
	return nil
}

// allSizes is the table of sizes, also where it says that all are the same.
func (t *tables) allSizes() ([]byte, bool) {
	if len(t.sizes) != 12 || binary.BigEndian.Uint32(t.sizes[4:]) == 0 {
		return table(t.sizes, 8, 4)
	}
	n := binary.BigEndian.Uint32(t.sizes[8:])
	return bytes.Repeat(t.sizes[4:8], int(min(n, maxFrames))), n <= maxFrames
}

// maxFrames is more than a month of 15 frames a second.
const maxFrames = 50_000_000

// table is the entries of a table whose count stands at an offset.
func table(b []byte, count, width int) ([]byte, bool) {
	if len(b) < count+4 {
		return nil, false
	}
	n := int64(binary.BigEndian.Uint32(b[count:]))
	b = b[count+4:]
	return b, int64(len(b)) == n*int64(width)
}
