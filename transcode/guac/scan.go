package guac

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// What [Scan] answers for content that is no dump.
var (
	ErrNotGuacamole = errors.New("the content is not a Guacamole recording")
	ErrEmpty        = errors.New("the recording is empty")
	// ErrNothingDrawn is returned for a recording in which no pixel is drawn.
	ErrNothingDrawn = errors.New("nothing is drawn in the recording")
)

// Summary is what one pass over a part tells without drawing.
type Summary struct {
	Width, Height int           // largest size of the display, pixels
	First, Last   int64         // timestamps of the first and last sync, ms on guacd's clock
	Duration      time.Duration // from the first to the last sync; steps back of the clock do not count
	Syncs         int64
	Instructions  int64
	Bytes         int64          // all that were read
	Draws         int64          // instructions that put pixels somewhere
	Truncated     bool           // it ends inside an instruction
	Audio         []AudioTrack   // kinds of sound in it, without silent streams
	Unknown       map[string]int // opcodes and image types that nobody knows
	SHA256        [32]byte       // of all bytes read
}

// Scan reads one part without drawing it. Errors: [ErrEmpty],
// [ErrNotGuacamole], a *[SyntaxError] for what stops being instructions later
// on (the Summary then covers what came before), and those of r. A cut tail
// is no error but Truncated.
func Scan(r io.Reader, lim Limits) (Summary, error) {
	hash := sha256.New()
	var read byteCount
	p := NewParser(io.TeeReader(r, io.MultiWriter(hash, &read)))
	s := &scanner{lim: lim.orDefault(), audible: map[AudioTrack]bool{}}
	t := newInterpreter(s.lim, s)
	t.blind = true
	err := s.all(p, t)
	s.sum.Bytes = int64(read)
	s.sum.Duration = s.clock.now
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

// byteCount counts what is written to it.
type byteCount int64

func (n *byteCount) Write(b []byte) (int, error) {
	*n += byteCount(len(b))
	return len(b), nil
}

// scanner is the handler that only counts.
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
		default:
			return err
		}
		s.sum.Instructions++
		t.interpret(in, 0)
	}
}

func (s *scanner) op(o op) {
	if o.code == opSize && o.i[0] == 0 && o.i[1] <= s.lim.MaxWidth && o.i[2] <= s.lim.MaxHeight && o.i[1]*o.i[2] <= s.lim.MaxPixels {
		s.sum.Width, s.sum.Height = max(s.sum.Width, o.i[1]), max(s.sum.Height, o.i[2])
	}
}

func (s *scanner) picture(op, string, []byte) {}

func (s *scanner) audio(track AudioTrack, pcm []byte) {
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
