package video

import (
	"encoding/binary"
	"io"
	"math"
	"time"
)

// muxer writes a live Matroska stream with one track of raw I420 pictures and
// perhaps one of PCM. Matroska is what carries true timestamps into ffmpeg
// through a pipe; raw video alone does not.
//
// Only what ffmpeg's demuxer needs is written, without a copy of the
// pictures. (ebml-go's ready-made Matroska has no field for the pixel format
// of raw video and copies each block twice.)
type muxer struct {
	w   io.Writer
	buf []byte
}

const (
	videoTrack = 1
	audioTrack = 2
)

// Element ids of the Matroska specification.
const (
	idEBML, idDocType, idDocTypeVersion                = 0x1A45DFA3, 0x4282, 0x4287
	idDocTypeRead, idSegment, idInfo                   = 0x4285, 0x18538067, 0x1549A966
	idTimestampScale, idMuxingApp, idWritingApp        = 0x2AD7B1, 0x4D80, 0x5741
	idTracks, idTrackEntry, idTrackNumber              = 0x1654AE6B, 0xAE, 0xD7
	idTrackUID, idTrackType, idCodecID                 = 0x73C5, 0x83, 0x86
	idDefaultDuration, idVideo, idPixelWidth           = 0x23E383, 0xE0, 0xB0
	idPixelHeight, idColourSpace, idAudio              = 0xBA, 0x2EB524, 0xE1
	idSamplingFrequency, idChannels, idBitDepth        = 0xB5, 0x9F, 0x6264
	idCluster, idTimestamp, idSimpleBlock              = 0x1F43B675, 0xE7, 0xA3
	typeVideo, typeAudio, unknownSize           uint64 = 1, 2, 0x01FFFFFFFFFFFFFF
)

// element is an id, a size and a body.
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

func number(b []byte, id uint32, v uint64) []byte {
	return element(b, id, binary.BigEndian.AppendUint64(nil, v))
}

func text(b []byte, id uint32, s string) []byte { return element(b, id, []byte(s)) }

// header begins the stream.
func (m *muxer) header(width, height int, slot time.Duration, audio *AudioFormat) error {
	b := element(nil, idEBML, text(number(number(nil, idDocTypeVersion, 4), idDocTypeRead, 2), idDocType, "matroska"))
	b = appendID(b, idSegment)
	b = binary.BigEndian.AppendUint64(b, unknownSize)
	info := number(nil, idTimestampScale, uint64(time.Millisecond))
	b = element(b, idInfo, text(text(info, idMuxingApp, "jumpserver-video"), idWritingApp, "jumpserver-video"))

	picture := number(number(nil, idPixelWidth, uint64(width)), idPixelHeight, uint64(height))
	entry := track(videoTrack, typeVideo, "V_UNCOMPRESSED")
	entry = number(entry, idDefaultDuration, uint64(slot))
	tracks := element(nil, idTrackEntry, element(entry, idVideo, text(picture, idColourSpace, "I420")))
	if audio != nil {
		sound := element(nil, idSamplingFrequency, binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(audio.Rate))))
		sound = number(number(sound, idChannels, uint64(audio.Channels)), idBitDepth, 16)
		tracks = element(tracks, idTrackEntry, element(track(audioTrack, typeAudio, "A_PCM/INT/LIT"), idAudio, sound))
	}
	b = element(b, idTracks, tracks)
	_, err := m.w.Write(b)
	return err
}

func track(index, kind uint64, codec string) []byte {
	return text(number(number(number(nil, idTrackNumber, index), idTrackUID, index), idTrackType, kind), idCodecID, codec)
}

// block writes one block in a cluster of its own: clusters carry absolute
// times, so any time fits.
func (m *muxer) block(track uint8, at time.Duration, body []byte) error {
	b := appendID(m.buf[:0], idCluster)
	b = binary.BigEndian.AppendUint64(b, unknownSize)
	b = number(b, idTimestamp, uint64(at.Milliseconds()))
	b = appendID(b, idSimpleBlock)
	b = binary.BigEndian.AppendUint64(b, 0x0100000000000000|uint64(4+len(body)))
	b = append(b, 0x80|track, 0, 0, 0x80) // relative time 0, keyframe
	m.buf = b
	if _, err := m.w.Write(b); err != nil {
		return err
	}
	_, err := m.w.Write(body)
	return err
}
