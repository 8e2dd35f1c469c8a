package guac

import (
	"encoding/base64"
	"errors"
	"io"
	"math"
	"mime"
	"strconv"
	"strings"
)

// AudioTrack describes the PCM of an audio stream.
type AudioTrack struct {
	Rate     int // samples a second
	Channels int
	Bits     int // 8 or 16 in the recording; Play delivers 16
}

// handler receives the content of a recording, in order.
type handler interface {
	op(op)
	picture(o op, mimetype string, data []byte) // the handler owns data
	audio(s *stream, pcm []byte)                // s16le, in the format of s.track; the handler owns pcm
	ended(s *stream)                            // end of a stream of sound
	sync(timestamp int64)
}

// interpreter keeps the state of streams and of nested instructions, and passes on
// drawing and sound.
type interpreter struct {
	lim     Limits
	to      handler
	blind   bool // images are counted, but their data is discarded
	streams map[int]*stream
	held    int // bytes in all open streams
	nests   map[int]*Parser
	masks   map[int]maskings // by layer
	again   int              // bytes of nested text that were parsed more than once
	unknown map[string]int   // unknown opcodes and mimetypes
	noise   map[string]int   // opcodes that do not exist in any version
	bad     map[string]int   // instructions that cannot be executed
	draws   int64
	timed   bool // there was a sync
}

// stream is a stream that is being received.
type stream struct {
	image    bool
	o        op // the opPicture at its end
	mimetype string
	data     []byte
	track    *AudioTrack
	broken   bool
	masks    maskings // maskings of the layer when it began
}

// maskings counts how often a layer's mask was set, and how often to another than
// the usual one.
type maskings struct{ all, other int }

// do passes on an instruction that draws, or affects drawing.
func (t *interpreter) do(o op) {
	if layer, sets, other := o.sets(); sets {
		m := t.masks[t.masked(layer)]
		m.all++
		if other {
			m.other++
		}
		t.masks[t.masked(layer)] = m
	}
	t.to.op(o)
}

// masked returns the key of a layer in masks. Most recordings have few layers; if
// there are too many, they share one key.
func (t *interpreter) masked(layer int) int {
	if _, known := t.masks[layer]; known || len(t.masks) < maxKinds {
		return layer
	}
	return math.MinInt
}

func newInterpreter(lim Limits, to handler) *interpreter {
	return &interpreter{lim: lim, to: to, streams: map[int]*stream{}, nests: map[int]*Parser{}, masks: map[int]maskings{},
		unknown: map[string]int{}, noise: map[string]int{}, bad: map[string]int{}}
}

// maxKinds limits the number of distinct warnings.
const maxKinds = 100

func count(m map[string]int, key string) {
	if len(m) >= maxKinds && m[key] == 0 {
		key = "other things"
	}
	m[key]++
}

// maxNest limits the depth of nested instructions. maxAgain limits the bytes of
// nested instructions that are parsed again because they came in pieces.
const (
	maxNest  = 3
	maxAgain = 256 << 20
)

func (t *interpreter) interpret(in *Instruction, depth int) {
	switch string(in.Opcode) {
	case "sync":
		t.timed = true
		t.to.sync(millis(in.arg(0)))
	case "img":
		mask, layer := in.int(1), in.int(2)
		t.do(op{code: opMask, i: [9]int{mask, layer}}) // it applies from now on
		t.open(in.int(0), &stream{image: true, mimetype: in.text(3), masks: t.masks[t.masked(layer)],
			o: op{code: opPicture, i: [9]int{mask, layer, in.int(4), in.int(5)}}})
	case "audio":
		track := parseAudio(in.text(1))
		if track == nil {
			count(t.unknown, "sound of type "+shortText(in.arg(1)))
		}
		t.open(in.int(0), &stream{track: track})
	case "video": // guacamole-common-js cannot play it either
		count(t.unknown, "video of type "+shortText(in.arg(2)))
		t.open(in.int(0), &stream{})
	case "clipboard", "file", "pipe", "argv":
		t.open(in.int(0), &stream{})
	case "blob":
		t.blob(in.int(0), in.arg(1))
	case "end":
		t.end(in.int(0))
	case "png", "jpeg": // before Guacamole 0.9.8: mask, layer, x, y, data
		data, err := base64.StdEncoding.DecodeString(in.text(4))
		if err != nil {
			count(t.bad, "image with invalid base64")
			return
		}
		t.draws++
		t.do(op{code: opMask, i: [9]int{in.int(0), in.int(1)}})
		t.to.picture(op{code: opPicture, i: [9]int{in.int(0), in.int(1), in.int(2), in.int(3)}}, formatOf("image/"+string(in.Opcode), data), data)
	case "nest":
		t.nest(in.int(0), in.arg(1), depth)
	default:
		o, ok := readOp(in)
		if !ok {
			switch {
			case silent[string(in.Opcode)]:
			case t.isNoise(in.Opcode):
				count(t.noise, "the rest of an instruction, from before the recorder joined: "+shortText(in.Opcode))
			default:
				count(t.unknown, "opcode "+shortText(in.Opcode))
			}
			return
		}
		if o.code.draws() {
			t.draws++
		}
		t.do(o)
	}
}

// isNoise reports whether an opcode does not exist in any version of the protocol,
// but is the rest of an instruction. When guacd writes for a user who joins, the
// file can begin with the rest of a sync, whose opcode is a timestamp. Before the
// first sync it can be the rest of any instruction.
func (t *interpreter) isNoise(opcode []byte) bool {
	digits, word := len(opcode) > 0, len(opcode) > 0 && len(opcode) <= 32
	for _, c := range opcode {
		digits = digits && c >= '0' && c <= '9'
		word = word && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	return digits || !word && !t.timed
}

func shortText(b []byte) string {
	if len(b) > 40 {
		b = b[:40]
	}
	return strconv.QuoteToASCII(string(b))
}

// open begins a stream. An unfinished stream with the same number is lost, as in
// the player.
func (t *interpreter) open(index int, s *stream) {
	if lost := t.streams[index]; lost != nil && lost.image && !lost.broken {
		count(t.bad, "image whose stream another one took over before its end")
	}
	t.drop(index)
	if len(t.streams) >= t.lim.MaxStreams {
		count(t.bad, "too many open streams")
		return
	}
	t.streams[index] = s
}

func (t *interpreter) drop(index int) {
	if s := t.streams[index]; s != nil {
		t.held -= len(s.data)
		delete(t.streams, index)
		if s.track != nil {
			t.to.ended(s)
		}
	}
}

// drawing reports whether an image is being received.
func (t *interpreter) drawing() bool {
	for _, s := range t.streams {
		if s.image && !s.broken {
			return true
		}
	}
	return false
}

func (t *interpreter) blob(index int, text []byte) {
	s := t.streams[index]
	if s == nil || s.broken || !s.image && s.track == nil {
		return // an ignored stream, or one that was refused
	}
	if s.image && t.blind { // only its format matters
		text = text[:min(len(text), base64.StdEncoding.EncodedLen(sniffed))]
		if len(s.data) >= sniffed {
			return
		}
	}
	n := base64.StdEncoding.DecodedLen(len(text))
	if t.held+n > t.lim.MaxStreamBytes {
		s.broken = true
		count(t.bad, "stream larger than allowed")
		return
	}
	had := len(s.data)
	s.data = append(s.data, make([]byte, n)...)
	n, err := base64.StdEncoding.Decode(s.data[had:], text)
	s.data = s.data[:had+n]
	t.held += n
	if err != nil {
		s.broken = true
		count(t.bad, "blob with invalid base64")
		return
	}
	if s.track != nil {
		if pcm := s.take(); len(pcm) > 0 {
			t.held -= len(pcm)
			t.to.audio(s, to16(pcm, s.track.Bits))
		}
	}
}

// take removes whole samples from the stream's data.
func (s *stream) take() []byte {
	frame := s.track.Channels * s.track.Bits / 8
	n := len(s.data) / frame * frame
	pcm := s.data[:n:n]
	s.data = append([]byte(nil), s.data[n:]...)
	return pcm
}

// end closes a stream; its image is drawn now.
func (t *interpreter) end(index int) {
	s := t.streams[index]
	t.drop(index)
	if s == nil || !s.image {
		return
	}
	if s.broken {
		return
	}
	format := formatOf(s.mimetype, s.data)
	if format == "" {
		count(t.unknown, "image type "+shortText([]byte(s.mimetype)))
		return
	}
	t.draws++
	if now := t.masks[t.masked(s.o.i[1])]; now.other != s.masks.other || Mask(s.o.i[0]) != MaskOver && now.all != s.masks.all {
		s.o.i[4] = 1
	}
	t.to.picture(s.o, format, s.data)
}

// nest parses a piece of a nested instruction stream.
func (t *interpreter) nest(index int, data []byte, depth int) {
	if depth >= maxNest {
		count(t.bad, "instructions nested too deeply")
		return
	}
	p := t.nests[index]
	if p == nil {
		if len(t.nests) >= t.lim.MaxStreams {
			count(t.bad, "too many nested parsers")
			return
		}
		p = &Parser{err: io.EOF}
		t.nests[index] = p
	}
	if t.again += p.end - p.start; t.again > maxAgain {
		delete(t.nests, index)
		count(t.bad, "nested instructions in too many pieces")
		return
	}
	p.buf = append(append([]byte(nil), p.buf[p.start:p.end]...), data...)
	p.start, p.end = 0, len(p.buf)
	if len(p.buf) > 1<<20 {
		delete(t.nests, index)
		count(t.bad, "nested instruction larger than allowed")
		return
	}
	for {
		n, err := p.scan(p.buf[p.start:p.end])
		if errors.Is(err, errShort) {
			return
		}
		if err != nil {
			delete(t.nests, index)
			count(t.bad, "nested text that is no instruction")
			return
		}
		p.start += n
		t.interpret(&p.in, depth+1)
	}
}

// parseAudio parses audio/L8 and audio/L16 with rate and channels; it returns nil
// for anything else.
func parseAudio(mimetype string) *AudioTrack {
	// Lion and guacd separate the parameters with commas: rate=44100,channels=2.
	kind, parameters, err := mime.ParseMediaType(strings.ReplaceAll(mimetype, ",", ";"))
	if err != nil {
		return nil
	}
	t := &AudioTrack{Channels: 1}
	switch kind {
	case "audio/l8":
		t.Bits = 8
	case "audio/l16":
		t.Bits = 16
	default:
		return nil
	}
	t.Rate, _ = strconv.Atoi(parameters["rate"])
	if c, err := strconv.Atoi(parameters["channels"]); err == nil {
		t.Channels = c
	}
	if t.Rate < 1000 || t.Rate > 384_000 || t.Channels < 1 || t.Channels > 8 {
		return nil
	}
	return t
}

// to16 converts signed 8-bit samples to 16 bits; 16-bit ones are little-endian
// already.
func to16(pcm []byte, bits int) []byte {
	if bits == 16 {
		return pcm
	}
	wide := make([]byte, 2*len(pcm))
	for i, b := range pcm {
		wide[2*i+1] = b
	}
	return wide
}

// silentPCM reports whether every sample is zero.
func silentPCM(pcm []byte) bool {
	for _, b := range pcm {
		if b != 0 {
			return false
		}
	}
	return true
}
