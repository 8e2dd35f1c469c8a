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
type trackDigest struct{ hash.Hash }

func newTrackDigest(config []byte) trackDigest {
	p := trackDigest{sha256.New()}
	p.add(config)
	return p
}

// add takes what comes next, with its length.
func (p trackDigest) add(b []byte) {
	_, _ = p.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	_, _ = p.Write(b)
}

// addFrom takes the next bytes of a file, as add does.
func (p trackDigest) addRange(f io.ReaderAt, at, size int64, buffer []byte) error {
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
func digestOfFile(path string) ([]byte, error) {
	f, size, err := openMP4(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, err := digestOf(f, size)
	return sum, asVerifyError(err)
}

func digestOf(f io.ReaderAt, size int64) ([]byte, error) {
	b := &boxReader{file: f}
	t, err := b.singleVideoTrack(size)
	if err != nil {
		return nil, err
	}
	entry, entries, err := b.sampleEntry(t)
	if err != nil {
		return nil, err
	}
	avcC, err := entryBox(entry, "avcC")
	if err != nil {
		return nil, err
	}
	if entries != 1 || avcC == nil {
		return nil, fmt.Errorf("%w of one H.264 stream", errNotMP4)
	}
	samples, err := b.openSamples(t)
	if err != nil {
		return nil, err
	}
	p, buffer := newTrackDigest(avcC), make([]byte, 64<<10)
	var total int64
	for {
		at, n, err := samples.next()
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
		if err := p.addRange(f, at, n, buffer); err != nil {
			return nil, err
		}
	}
}

// onlyVideo finds the one video track of a file of a size in bytes.
func (b *boxReader) singleVideoTrack(size int64) (trackBoxes, error) {
	var video []trackBoxes
	moovs := 0
	err := b.each(span{0, size}, func(kind string, body span) error {
		switch {
		case kind == "moof":
			return fmt.Errorf("%w: it is in fragments", errNotMP4)
		case kind != "moov":
			return nil
		case body.size() > maxMoov:
			return fmt.Errorf("%w: an index of %d bytes", errNotMP4, body.size())
		}
		moovs++
		return b.each(body, func(kind string, body span) error {
			switch kind {
			case "mvex":
				return fmt.Errorf("%w: it is in fragments", errNotMP4)
			case "trak":
				t, err := b.readTrack(body)
				if err != nil {
					return err
				}
				handler, err := b.handlerType(t)
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
	case moovs != 1 || len(video) != 1:
		return trackBoxes{}, fmt.Errorf("%w: %d indexes and %d video tracks", errNotMP4, moovs, len(video))
	case video[0].duplicate != "":
		return trackBoxes{}, fmt.Errorf("%w: a track with several boxes %q", errNotMP4, video[0].duplicate)
	}
	return video[0], nil
}

// places tells where a track's pictures lie, in their order.
type sampleIterator struct {
	sizes           *tableReader // nil: all have the same size
	constantSize    int64
	remaining       int64 // pictures
	chunkOffsets    *tableReader
	chunkRuns       *tableReader
	nextRun         []byte // of the chunk that it begins with, nil after the last
	chunk           int64  // number of the chunk, from 1 on
	leftInChunk     int64  // pictures left in it
	samplesPerChunk int64  // pictures in each chunk of this run
	offset          int64
}

func (b *boxReader) openSamples(t trackBoxes) (*sampleIterator, error) {
	_, has64 := t.boxes["co64"]
	_, has32 := t.boxes["stco"]
	if has64 == has32 {
		return nil, fmt.Errorf("%w: a track with one table of places expected", errNotMP4)
	}
	p := &sampleIterator{}
	var err1, err2, err3 error
	err1 = b.openSizes(t.boxes["stsz"], p)
	if has64 {
		p.chunkOffsets, err2 = b.openTable(t.boxes["co64"], 8, 8)
	} else {
		p.chunkOffsets, err2 = b.openTable(t.boxes["stco"], 8, 4)
	}
	p.chunkRuns, err3 = b.openTable(t.boxes["stsc"], 8, 12)
	if err := cmp.Or(err1, err2, err3); err != nil {
		return nil, err
	}
	if p.sizes != nil && !p.sizes.fillsBox || !p.chunkOffsets.fillsBox || !p.chunkRuns.fillsBox {
		return nil, fmt.Errorf("%w: tables that do not fill their boxes", errNotMP4)
	}
	return p, p.readRun()
}

// sizes opens the table of sizes, also where it says that all are the same.
func (b *boxReader) openSizes(body span, p *sampleIterator) error {
	header := make([]byte, 12)
	if body.size() < 12 {
		return fmt.Errorf("%w: a table of sizes of %d bytes", errNotMP4, body.size())
	}
	if _, err := b.file.ReadAt(header, body.at); err != nil {
		return unexpectedEOF(err)
	}
	p.constantSize, p.remaining = int64(binary.BigEndian.Uint32(header[4:])), int64(binary.BigEndian.Uint32(header[8:]))
	if p.remaining > maxFrames {
		return fmt.Errorf("%w: %d pictures", errNotMP4, p.remaining)
	}
	if p.constantSize != 0 && body.size() == 12 {
		return nil
	}
	if p.constantSize != 0 {
		return fmt.Errorf("%w: sizes that are all the same, and a table of them", errNotMP4)
	}
	var err error
	p.sizes, err = b.openTable(body, 12, 4)
	return err
}

func (p *sampleIterator) readRun() error {
	run, err := p.chunkRuns.next()
	if errors.Is(err, io.EOF) {
		run, err = nil, nil
	}
	p.nextRun = run
	return err
}

// next is the place of the next picture; io.EOF after the last.
func (p *sampleIterator) next() (at, size int64, err error) {
	for p.leftInChunk == 0 {
		if err := p.nextChunk(); err != nil {
			return 0, 0, err
		}
	}
	if p.remaining == 0 {
		return 0, 0, fmt.Errorf("%w: more places than pictures", errNotMP4)
	}
	size = p.constantSize
	if p.sizes != nil {
		e, err := p.sizes.next()
		if err != nil {
			return 0, 0, err
		}
		size = int64(binary.BigEndian.Uint32(e))
	}
	at = p.offset
	p.offset, p.remaining, p.leftInChunk = p.offset+size, p.remaining-1, p.leftInChunk-1
	return at, size, nil
}

// nextChunk goes on to the next chunk, which may be empty.
func (p *sampleIterator) nextChunk() error {
	e, err := p.chunkOffsets.next()
	switch {
	case errors.Is(err, io.EOF) && (p.remaining > 0 || p.nextRun != nil):
		return fmt.Errorf("%w: more pictures than places", errNotMP4)
	case err != nil:
		return err
	}
	if len(e) == 8 {
		p.offset = int64(min(binary.BigEndian.Uint64(e), math.MaxInt64/2))
	} else {
		p.offset = int64(binary.BigEndian.Uint32(e))
	}
	p.chunk++
	if p.nextRun != nil && int64(binary.BigEndian.Uint32(p.nextRun)) == p.chunk {
		p.samplesPerChunk = int64(binary.BigEndian.Uint32(p.nextRun[4:]))
		if err := p.readRun(); err != nil {
			return err
		}
	}
	p.leftInChunk = p.samplesPerChunk
	return nil
}
