package video

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
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

// addFrom takes the next bytes of a file, as add does.
func (p proof) addFrom(f io.ReaderAt, at, size int64, buffer []byte) error {
	_, _ = p.Write(binary.BigEndian.AppendUint32(nil, uint32(size)))
	n, err := io.CopyBuffer(p, io.NewSectionReader(f, at, size), buffer)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// proofOf is the proof of an MP4's video track. Errors: those of the file
// system, and a *VerifyError for a file of which players might show something
// else than what the proof is of: what is there twice, or in fragments.
func proofOf(path string) ([]byte, error) {
	f, size, err := openMP4(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, err := proofFrom(f, size)
	return sum, asVerify(err)
}

func proofFrom(f io.ReaderAt, size int64) ([]byte, error) {
	b := &boxes{file: f}
	t, err := b.onlyVideo(size)
	if err != nil {
		return nil, err
	}
	entry, entries, err := b.entry(t)
	if err != nil {
		return nil, err
	}
	avcC, err := config(entry, "avcC")
	if err != nil {
		return nil, err
	}
	if entries != 1 || avcC == nil {
		return nil, fmt.Errorf("%w of one H.264 stream", errNotMP4)
	}
	places, err := b.places(t)
	if err != nil {
		return nil, err
	}
	p, buffer := newProof(avcC), make([]byte, 64<<10)
	var total int64
	for {
		at, n, err := places.next()
		if errors.Is(err, io.EOF) {
			return p.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
		// No two pictures share their bytes: together they are less than the file.
		if total += n; at > size || n > size-at || total > size {
			return nil, fmt.Errorf("%w: a picture of %d bytes at %d", errNotMP4, n, at)
		}
		if err := p.addFrom(f, at, n, buffer); err != nil {
			return nil, err
		}
	}
}

// onlyVideo finds the one video track of a file of a size in bytes.
func (b *boxes) onlyVideo(size int64) (trackBoxes, error) {
	var video []trackBoxes
	indexes := 0
	err := b.each(span{0, size}, func(kind string, body span) error {
		switch {
		case kind == "moof":
			return fmt.Errorf("%w: it is in fragments", errNotMP4)
		case kind != "moov":
			return nil
		case body.size() > maxIndex:
			return fmt.Errorf("%w: an index of %d bytes", errNotMP4, body.size())
		}
		indexes++
		return b.each(body, func(kind string, body span) error {
			switch kind {
			case "mvex":
				return fmt.Errorf("%w: it is in fragments", errNotMP4)
			case "trak":
				t, err := b.track(body)
				if err != nil {
					return err
				}
				handler, err := b.handler(t)
				if handler == "vide" {
					video = append(video, t)
				}
				return err
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return trackBoxes{}, err
	case indexes != 1 || len(video) != 1:
		return trackBoxes{}, fmt.Errorf("%w: %d indexes and %d video tracks", errNotMP4, indexes, len(video))
	case video[0].twice != "":
		return trackBoxes{}, fmt.Errorf("%w: a track with several boxes %q", errNotMP4, video[0].twice)
	}
	return video[0], nil
}

// places tells where a track's pictures lie, in their order.
type places struct {
	sizes   *table // nil: all have the same size
	same    int64
	left    int64 // pictures
	chunks  *table
	runs    *table
	run     []byte // of the chunk that it begins with, nil after the last
	chunk   int64  // number of the chunk, from 1 on
	inChunk int64  // pictures left in it
	most    int64  // pictures in each chunk of this run
	at      int64
}

func (b *boxes) places(t trackBoxes) (*places, error) {
	_, wide := t.found["co64"]
	_, narrow := t.found["stco"]
	if wide == narrow {
		return nil, fmt.Errorf("%w: a track with one table of places expected", errNotMP4)
	}
	p := &places{}
	var err1, err2, err3 error
	err1 = b.sizes(t.found["stsz"], p)
	if wide {
		p.chunks, err2 = b.table(t.found["co64"], 8, 8)
	} else {
		p.chunks, err2 = b.table(t.found["stco"], 8, 4)
	}
	p.runs, err3 = b.table(t.found["stsc"], 8, 12)
	if err := cmp.Or(err1, err2, err3); err != nil {
		return nil, err
	}
	if p.sizes != nil && !p.sizes.full || !p.chunks.full || !p.runs.full {
		return nil, fmt.Errorf("%w: tables that do not fill their boxes", errNotMP4)
	}
	return p, p.nextRun()
}

// sizes opens the table of sizes, also where it says that all are the same.
func (b *boxes) sizes(body span, p *places) error {
	head := make([]byte, 12)
	if body.size() < 12 {
		return fmt.Errorf("%w: a table of sizes of %d bytes", errNotMP4, body.size())
	}
	if _, err := b.file.ReadAt(head, body.at); err != nil {
		return cut(err)
	}
	p.same, p.left = int64(binary.BigEndian.Uint32(head[4:])), int64(binary.BigEndian.Uint32(head[8:]))
	if p.left > maxFrames {
		return fmt.Errorf("%w: %d pictures", errNotMP4, p.left)
	}
	if p.same != 0 && body.size() == 12 {
		return nil
	}
	if p.same != 0 {
		return fmt.Errorf("%w: sizes that are all the same, and a table of them", errNotMP4)
	}
	var err error
	p.sizes, err = b.table(body, 12, 4)
	return err
}

func (p *places) nextRun() error {
	run, err := p.runs.next()
	if errors.Is(err, io.EOF) {
		run, err = nil, nil
	}
	p.run = run
	return err
}

// next is the place of the next picture; io.EOF after the last.
func (p *places) next() (at, size int64, err error) {
	for p.inChunk == 0 {
		if err := p.nextChunk(); err != nil {
			return 0, 0, err
		}
	}
	if p.left == 0 {
		return 0, 0, fmt.Errorf("%w: more places than pictures", errNotMP4)
	}
	size = p.same
	if p.sizes != nil {
		e, err := p.sizes.next()
		if err != nil {
			return 0, 0, err
		}
		size = int64(binary.BigEndian.Uint32(e))
	}
	at = p.at
	p.at, p.left, p.inChunk = p.at+size, p.left-1, p.inChunk-1
	return at, size, nil
}

// nextChunk goes on to the next chunk, which may be empty.
func (p *places) nextChunk() error {
	e, err := p.chunks.next()
	switch {
	case errors.Is(err, io.EOF) && (p.left > 0 || p.run != nil):
		return fmt.Errorf("%w: more pictures than places", errNotMP4)
	case err != nil:
		return err
	}
	if len(e) == 8 {
		p.at = int64(min(binary.BigEndian.Uint64(e), math.MaxInt64/2))
	} else {
		p.at = int64(binary.BigEndian.Uint32(e))
	}
	p.chunk++
	if p.run != nil && int64(binary.BigEndian.Uint32(p.run)) == p.chunk {
		p.most = int64(binary.BigEndian.Uint32(p.run[4:]))
		if err := p.nextRun(); err != nil {
			return err
		}
	}
	p.inChunk = p.most
	return nil
}
