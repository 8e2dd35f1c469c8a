package video

import (
	"encoding/binary"
	"io"
	"time"
)

// muxer writes a live Matroska stream with one video track. There are two uses: raw
// pictures for ffmpeg, because Matroska has exact timestamps in a pipe and raw video
// has not; and H.264 for the file that ffmpeg converts to an MP4.
//
// Only the elements that ffmpeg's demuxer needs are written. (The ready-made Matroska
// of ebml-go has no field for the pixel format of raw video and copies each block
// twice.)
type muxer struct {
	w   io.Writer
	buf []byte
}

// Element IDs of the Matroska specification.
const (
	idEBML, idDocType, idDocTypeVersion                = 0x1A45DFA3, 0x4282, 0x4287
	idDocTypeReadVersion, idSegment, idInfo            = 0x4285, 0x18538067, 0x1549A966
	idTimestampScale, idMuxingApp, idWritingApp        = 0x2AD7B1, 0x4D80, 0x5741
	idTracks, idTrackEntry, idTrackNumber              = 0x1654AE6B, 0xAE, 0xD7
	idTrackUID, idTrackType, idCodecID                 = 0x73C5, 0x83, 0x86
	idCodecPrivate, idDefaultDuration, idVideo         = 0x63A2, 0x23E383, 0xE0
	idPixelWidth, idPixelHeight, idColourSpace         = 0xB0, 0xBA, 0x2EB524
	idCluster, idTimestamp, idSimpleBlock              = 0x1F43B675, 0xE7, 0xA3
	unknownSize                                 uint64 = 0x01FFFFFFFFFFFFFF
)

// element appends an element: ID, size and body.
func element(b []byte, id uint32, body []byte) []byte {
	b = appendID(b, id)
	b = binary.BigEndian.AppendUint64(b, 0x0100000000000000|uint64(len(body)))
	return append(b, body...)
}

func appendID(b []byte, id uint32) []byte {
	full := binary.BigEndian.AppendUint32(nil, id)
	for len(full) > 1 && full[0] == 0 {
		full = full[1:]
	}
	return append(b, full...)
}

func uintElement(b []byte, id uint32, v uint64) []byte {
	return element(b, id, binary.BigEndian.AppendUint64(nil, v))
}

func stringElement(b []byte, id uint32, s string) []byte { return element(b, id, []byte(s)) }

// trackInfo describes the track of a stream.
type trackInfo struct {
	width, height int
	slot          time.Duration // duration of the last picture
	config        []byte        // H.264 decoder configuration; nil for raw I420
}

// writeHeader starts the stream.
func (m *muxer) writeHeader(p trackInfo) error {
	_, err := m.w.Write(matroskaHeader(p))
	return err
}

func matroskaHeader(p trackInfo) []byte {
	b := element(nil, idEBML, stringElement(uintElement(uintElement(nil, idDocTypeVersion, 4), idDocTypeReadVersion, 2), idDocType, "matroska"))
	b = appendID(b, idSegment)
	b = binary.BigEndian.AppendUint64(b, unknownSize)
	info := uintElement(nil, idTimestampScale, uint64(time.Millisecond))
	b = element(b, idInfo, stringElement(stringElement(info, idMuxingApp, "jumpserver-video"), idWritingApp, "jumpserver-video"))

	size := uintElement(uintElement(nil, idPixelWidth, uint64(p.width)), idPixelHeight, uint64(p.height))
	entry := uintElement(uintElement(uintElement(nil, idTrackNumber, 1), idTrackUID, 1), idTrackType, 1)
	entry = uintElement(entry, idDefaultDuration, uint64(p.slot))
	if p.config == nil {
		entry, size = stringElement(entry, idCodecID, "V_UNCOMPRESSED"), stringElement(size, idColourSpace, "I420")
	} else {
		entry = element(stringElement(entry, idCodecID, "V_MPEG4/ISO/AVC"), idCodecPrivate, p.config)
	}
	return element(b, idTracks, element(nil, idTrackEntry, element(entry, idVideo, size)))
}

// writeBlock writes one block.
func (m *muxer) writeBlock(at time.Duration, key bool, body []byte) error {
	m.buf = appendCluster(m.buf[:0], at, key, body)
	_, err := m.w.Write(m.buf)
	return err
}

// appendCluster appends a cluster with one block. Clusters have absolute times, so
// any time is possible.
func appendCluster(b []byte, at time.Duration, key bool, body []byte) []byte {
	b = appendID(b, idCluster)
	b = binary.BigEndian.AppendUint64(b, unknownSize)
	b = uintElement(b, idTimestamp, uint64(at.Milliseconds()))
	b = appendID(b, idSimpleBlock)
	b = binary.BigEndian.AppendUint64(b, 0x0100000000000000|uint64(4+len(body)))
	flags := byte(0)
	if key {
		flags = 0x80
	}
	b = append(b, 0x81, 0, 0, flags) // track 1, relative time 0
	return append(b, body...)
}
