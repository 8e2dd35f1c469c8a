package guac

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"strconv"
	"strings"
)

// AudioTrack describes the PCM of an audio stream.
type AudioTrack struct {
	Rate     int // samples a second
	Channels int
	Bits     int // 8 or 16 in the recording; handed out as 16
}

// handler receives what a recording says, in order.
type handler interface {
	op(op)
	picture(o op, mimetype string, data []byte) // data is the handler's to keep
	audio(track AudioTrack, pcm []byte)         // s16le, the handler's to keep
	sync(timestamp int64)
}

// interpreter keeps the state of streams and of nested instructions, and
// passes on what is to be drawn or heard.
type interpreter struct {
	lim     Limits
	to      handler
	blind   bool // images are counted, not collected
	streams map[int]*stream
	held    int // bytes of all open streams
	nests   map[int]*Parser
	again   int            // bytes of nested text that were looked at more than once
	unknown map[string]int // opcodes and mimetypes nobody knows
	noise   map[string]int // what is no opcode of any version
	bad     map[string]int // instructions that cannot be obeyed
	draws   int64
}

// stream is data on its way.
type stream struct {
	image    bool
	o        op // the opPicture to come
	mimetype string
	data     []byte
	track    *AudioTrack
	broken   bool
}

func newInterpreter(lim Limits, to handler) *interpreter {
	return &interpreter{lim: lim, to: to, streams: map[int]*stream{}, nests: map[int]*Parser{},
		unknown: map[string]int{}, noise: map[string]int{}, bad: map[string]int{}}
}

// maxKinds bounds the kinds of trouble that are told apart.
const maxKinds = 100

func count(m map[string]int, key string) {
	if len(m) >= maxKinds && m[key] == 0 {
		key = "other things"
	}
	m[key]++
}

// maxNest bounds instructions inside instructions, and maxAgain the bytes of
// theirs that are looked at again because they did not come whole.
const (
	maxNest  = 3
	maxAgain = 256 << 20
)

func (t *interpreter) interpret(in *Instruction, depth int) {
	switch string(in.Opcode) {
	case "sync":
		t.to.sync(millis(in.arg(0)))
	case "img":
		t.open(in.int(0), &stream{image: true, mimetype: in.text(3),
			o: op{code: opPicture, i: [9]int{in.int(1), in.int(2), in.int(4), in.int(5)}}})
	case "audio":
		track := parseAudio(in.text(1))
		if track == nil {
			count(t.unknown, "sound of type "+shortText(in.arg(1)))
		}
		t.open(in.int(0), &stream{track: track})
	case "video": // which guacamole-common-js cannot play either
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
		t.to.picture(op{code: opPicture, i: [9]int{in.int(0), in.int(1), in.int(2), in.int(3)}}, "image/"+string(in.Opcode), data)
	case "nest":
		t.nest(in.int(0), in.arg(1), depth)
	default:
		o, s, ok := readOp(in)
		if !ok {
			switch {
			case silent[string(in.Opcode)]:
			case isNoise(in.Opcode):
				count(t.noise, "opcode "+shortText(in.Opcode))
			default:
				count(t.unknown, "opcode "+shortText(in.Opcode))
			}
			return
		}
		if s.draws {
			t.draws++
		}
		t.to.op(o)
	}
}

// isNoise reports whether an opcode is none of any version of the protocol. A
// guacd that writes for somebody who joins leaves the end of a sync behind,
// whose opcode is a timestamp.
func isNoise(opcode []byte) bool {
	for _, c := range opcode {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(opcode) > 0
}

func shortText(b []byte) string {
	if len(b) > 40 {
		b = b[:40]
	}
	return strconv.QuoteToASCII(string(b))
}

func (t *interpreter) open(index int, s *stream) {
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
	}
}

func (t *interpreter) blob(index int, text []byte) {
	s := t.streams[index]
	if s == nil || s.broken || s.image && t.blind || !s.image && s.track == nil {
		return // a stream that nobody looks at, or one that was refused
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
			t.to.audio(*s.track, to16(pcm, s.track.Bits))
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

// end closes a stream; an image is drawn now.
func (t *interpreter) end(index int) {
	s := t.streams[index]
	t.drop(index)
	if s == nil || !s.image {
		return
	}
	if s.broken {
		return
	}
	if _, known := decoders[s.mimetype]; !known {
		count(t.unknown, "image type "+shortText([]byte(s.mimetype)))
		return
	}
	t.draws++
	t.to.picture(s.o, s.mimetype, s.data)
}

// nest parses a fragment of an instruction stream of its own.
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

// parseAudio reads audio/L8 and audio/L16 with rate and channels; nil for
// anything else.
func parseAudio(mimetype string) *AudioTrack {
	// Lion and guacd write the parameters with commas: rate=44100,channels=2.
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

// to16 widens signed 8-bit samples; 16-bit ones are little-endian as they are.
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

// silentPCM tells whether every sample is zero.
func silentPCM(pcm []byte) bool {
	for _, b := range pcm {
		if b != 0 {
			return false
		}
	}
	return true
}
