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

// trackDigest computes the SHA-256 of an H.264 track: its decoder configuration and
// its pictures, in the format of Matroska and MP4. Muxing copies these bytes
// unchanged. If the digests of both files are equal, both decode to the same
// pictures, so the MP4 need not be decoded again.
type trackDigest struct{ hash.Hash }

func newTrackDigest(config []byte) trackDigest {
	p := trackDigest{sha256.New()}
	p.add(config)
	return p
}

// add adds the length of b and b.
func (d trackDigest) add(b []byte) {
	_, _ = d.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	_, _ = d.Write(b)
}

// addRange adds bytes of a file, as add does.
func (d trackDigest) addRange(f io.ReaderAt, at, size int64, buffer []byte) error {
	_, _ = d.Write(binary.BigEndian.AppendUint32(nil, uint32(size)))
	n, err := io.CopyBuffer(d, io.NewSectionReader(f, at, size), buffer)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// digestOfFile returns the digest of an MP4's video track. It returns errors of the
// file system, and a *VerifyError for a file in which players might choose other
// pictures: with duplicate boxes or with fragments.
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
		return nil, fmt.Errorf("%w with exactly one H.264 stream", errNotMP4)
	}
	samples, err := b.openSamples(t)
	if err != nil {
		return nil, err
	}
	digest, buffer := newTrackDigest(avcC), make([]byte, 64<<10)
	var total int64
	for {
		at, n, err := samples.next()
		if errors.Is(err, io.EOF) {
			return digest.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
		// Samples must not overlap, so together they are smaller than the file.
		if total += n; at > size || n > size-at || total > size {
			return nil, fmt.Errorf("%w: invalid position of a sample: %d bytes at %d", errNotMP4, n, at)
		}
		if err := digest.addRange(f, at, n, buffer); err != nil {
			return nil, err
		}
	}
}

// singleVideoTrack returns the boxes of the only video track in a file of size bytes.
func (b *boxReader) singleVideoTrack(size int64) (trackBoxes, error) {
	var video []trackBoxes
	moovs := 0
	err := b.each(span{0, size}, func(kind string, body span) error {
		switch {
		case kind == "moof":
			return fmt.Errorf("%w: fragmented files are not supported", errNotMP4)
		case kind != "moov":
			return nil
		case body.size() > maxMoov:
			return fmt.Errorf("%w: the moov box is too large: %d bytes", errNotMP4, body.size())
		}
		moovs++
		return b.each(body, func(kind string, body span) error {
			switch kind {
			case "mvex":
				return fmt.Errorf("%w: fragmented files are not supported", errNotMP4)
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
		return trackBoxes{}, fmt.Errorf("%w: %d moov boxes and %d video tracks, want one each", errNotMP4, moovs, len(video))
	case video[0].duplicate != "":
		return trackBoxes{}, fmt.Errorf("%w: a track with duplicate box %q", errNotMP4, video[0].duplicate)
	}
	return video[0], nil
}

// sampleIterator returns the positions of a track's samples in order.
type sampleIterator struct {
	sizes           *tableReader // nil if all samples have constantSize
	constantSize    int64
	remaining       int64 // samples
	chunkOffsets    *tableReader
	chunkRuns       *tableReader
	nextRun         []byte // next entry of chunkRuns, nil after the last
	chunk           int64  // number of the current chunk, from 1
	leftInChunk     int64  // samples
	samplesPerChunk int64  // in this run of chunks
	offset          int64
}

func (b *boxReader) openSamples(t trackBoxes) (*sampleIterator, error) {
	_, has64 := t.boxes["co64"]
	_, has32 := t.boxes["stco"]
	if has64 == has32 {
		return nil, fmt.Errorf("%w: a track needs either stco or co64", errNotMP4)
	}
	s := &sampleIterator{}
	var err1, err2, err3 error
	err1 = b.openSizes(t.boxes["stsz"], s)
	if has64 {
		s.chunkOffsets, err2 = b.openTable(t.boxes["co64"], 8, 8)
	} else {
		s.chunkOffsets, err2 = b.openTable(t.boxes["stco"], 8, 4)
	}
	s.chunkRuns, err3 = b.openTable(t.boxes["stsc"], 8, 12)
	if err := cmp.Or(err1, err2, err3); err != nil {
		return nil, err
	}
	if s.sizes != nil && !s.sizes.fillsBox || !s.chunkOffsets.fillsBox || !s.chunkRuns.fillsBox {
		return nil, fmt.Errorf("%w: a table is shorter than its box", errNotMP4)
	}
	return s, s.readRun()
}

// openSizes reads the header of the stsz box and opens its table, if it has one.
func (b *boxReader) openSizes(body span, s *sampleIterator) error {
	header := make([]byte, 12)
	if body.size() < 12 {
		return fmt.Errorf("%w: an stsz box of %d bytes", errNotMP4, body.size())
	}
	if _, err := b.file.ReadAt(header, body.at); err != nil {
		return unexpectedEOF(err)
	}
	s.constantSize, s.remaining = int64(binary.BigEndian.Uint32(header[4:])), int64(binary.BigEndian.Uint32(header[8:]))
	if s.remaining > maxFrames {
		return fmt.Errorf("%w: too many samples: %d", errNotMP4, s.remaining)
	}
	if s.constantSize != 0 && body.size() == 12 {
		return nil
	}
	if s.constantSize != 0 {
		return fmt.Errorf("%w: stsz has both a constant size and a table", errNotMP4)
	}
	var err error
	s.sizes, err = b.openTable(body, 12, 4)
	return err
}

func (s *sampleIterator) readRun() error {
	run, err := s.chunkRuns.next()
	if errors.Is(err, io.EOF) {
		run, err = nil, nil
	}
	s.nextRun = run
	return err
}

// next returns the position of the next sample; io.EOF after the last one.
func (s *sampleIterator) next() (at, size int64, err error) {
	for s.leftInChunk == 0 {
		if err := s.nextChunk(); err != nil {
			return 0, 0, err
		}
	}
	if s.remaining == 0 {
		return 0, 0, fmt.Errorf("%w: the chunks have more samples than stsz", errNotMP4)
	}
	size = s.constantSize
	if s.sizes != nil {
		e, err := s.sizes.next()
		if err != nil {
			return 0, 0, err
		}
		size = int64(binary.BigEndian.Uint32(e))
	}
	at = s.offset
	s.offset, s.remaining, s.leftInChunk = s.offset+size, s.remaining-1, s.leftInChunk-1
	return at, size, nil
}

// nextChunk moves to the next chunk, which may be empty.
func (s *sampleIterator) nextChunk() error {
	e, err := s.chunkOffsets.next()
	switch {
	case errors.Is(err, io.EOF) && (s.remaining > 0 || s.nextRun != nil):
		return fmt.Errorf("%w: stsz has more samples than the chunks", errNotMP4)
	case err != nil:
		return err
	}
	if len(e) == 8 {
		s.offset = int64(min(binary.BigEndian.Uint64(e), math.MaxInt64/2))
	} else {
		s.offset = int64(binary.BigEndian.Uint32(e))
	}
	s.chunk++
	if s.nextRun != nil && int64(binary.BigEndian.Uint32(s.nextRun)) == s.chunk {
		s.samplesPerChunk = int64(binary.BigEndian.Uint32(s.nextRun[4:]))
		if err := s.readRun(); err != nil {
			return err
		}
	}
	s.leftInChunk = s.samplesPerChunk
	return nil
}
