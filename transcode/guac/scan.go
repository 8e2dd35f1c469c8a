package guac

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"io"
	"maps"
	"slices"
	"time"
)

// Errors of [Scan] for content that is not a dump.
var (
	ErrNotGuacamole = errors.New("the content is not a Guacamole recording")
	ErrEmpty        = errors.New("the recording is empty")
	// ErrNothingDrawn is returned for a recording in which no pixel is drawn.
	ErrNothingDrawn = errors.New("nothing is drawn in the recording")
)

// Summary is the result of reading a part without drawing.
type Summary struct {
	Width, Height int           // largest size of the display, pixels
	Refused       image.Point   // largest size of the display that exceeds the limits, pixels
	First, Last   int64         // timestamps of the first and last sync, ms on guacd's clock
	Duration      time.Duration // from the first to the last sync; backward steps of the clock do not count
	Clock         ClockTrouble
	Syncs         int64
	Instructions  int64
	Bytes         int64          // all bytes read
	Draws         int64          // instructions that draw pixels
	Truncated     bool           // the part ends inside an instruction
	Broken        *SyntaxError   // where the instructions end; nil = at the end. The rest is included only in Bytes and SHA256
	Audio         []AudioTrack   // formats of its sound, without silent streams
	Unknown       map[string]int // unknown opcodes and image types
	SHA256        [32]byte       // of all bytes read
}

// Scan reads one part without drawing it. Errors: [ErrEmpty], [ErrNotGuacamole],
// and those of r. A truncated part is not an error: see Truncated. Neither is other
// content after some instructions: see Broken.
func Scan(r io.Reader, lim Limits) (Summary, error) {
	hash := sha256.New()
	var read byteCount
	all := io.TeeReader(r, io.MultiWriter(hash, &read))
	p := NewParser(all)
	s := &scanner{lim: lim.orDefault(), audible: map[AudioTrack]bool{}}
	t := newInterpreter(s.lim, s)
	t.blind = true
	err := s.all(p, t)
	if err == nil && s.sum.Broken != nil {
		_, err = io.Copy(io.Discard, all) // the hash covers all bytes
	}
	s.sum.Bytes = int64(read)
	s.sum.Duration = s.clock.now
	s.sum.Clock = s.clock.odd
	s.sum.Draws = t.draws
	s.sum.Unknown = t.unknown
	s.sum.Audio = slices.SortedFunc(maps.Keys(s.audible), func(a, b AudioTrack) int { return b.Rate*b.Channels - a.Rate*a.Channels })
	hash.Sum(s.sum.SHA256[:0])
	if err != nil {
		return s.sum, err
	}
	if s.sum.Instructions == 0 {
		if s.sum.Truncated {
			return s.sum, ErrNotGuacamole
		}
		return s.sum, ErrEmpty
	}
	return s.sum, nil
}

// byteCount counts the bytes written to it.
type byteCount int64

func (n *byteCount) Write(b []byte) (int, error) {
	*n += byteCount(len(b))
	return len(b), nil
}

// scanner is a handler that only counts.
type scanner struct {
	lim     Limits
	sum     Summary
	clock   clock
	audible map[AudioTrack]bool
}

func (s *scanner) all(p *Parser, t *interpreter) error {
	for {
		in, err := p.Next()
		var syntax *SyntaxError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			s.sum.Truncated = true
			return nil
		case errors.As(err, &syntax) && s.sum.Instructions == 0:
			return fmt.Errorf("%w: %w", ErrNotGuacamole, err)
		case errors.As(err, &syntax):
			s.sum.Broken = syntax
			return nil
		default:
			return err
		}
		s.sum.Instructions++
		t.interpret(in, 0)
	}
}

func (s *scanner) op(o op) {
	if o.code != opSize || o.i[0] != 0 {
		return
	}
	w, h := max(0, o.i[1]), max(0, o.i[2])
	if s.lim.Allows(w, h) {
		s.sum.Width, s.sum.Height = max(s.sum.Width, w), max(s.sum.Height, h)
	} else if w*h > s.sum.Refused.X*s.sum.Refused.Y {
		s.sum.Refused = image.Pt(w, h)
	}
}

func (s *scanner) picture(op, string, []byte) {}

func (s *scanner) ended(*stream) {}

func (s *scanner) audio(from *stream, pcm []byte) {
	track := *from.track
	if !s.audible[track] && len(s.audible) < 16 && !silentPCM(pcm) {
		s.audible[track] = true
	}
}

func (s *scanner) sync(timestamp int64) {
	if s.sum.Syncs == 0 {
		s.sum.First = timestamp
	}
	s.sum.Syncs++
	s.sum.Last = timestamp
	s.clock.advance(timestamp, s.lim)
}
