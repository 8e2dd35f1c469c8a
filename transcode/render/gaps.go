package render

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/readahead"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// tellGaps adds warnings about what was missing when the recording was opened.
func (p *Plan) tellGaps(rec *recording.Recording, strict bool) error {
	p.Warnings = append(p.Warnings, rec.Notes...)
	for _, gap := range rec.Gaps {
		var missing *recording.MissingPartError
		var foreign *recording.KindError
		switch {
		case recording.Damaged(gap) && strict:
			return fmt.Errorf("%w: %w", ErrCut, gap)
		case recording.Damaged(gap), errors.As(gap, &missing), errors.Is(gap, recording.ErrNumbers):
			p.cut("%v; converted what is there", gap)
		case errors.As(gap, &foreign) && foreign.Kind != recording.KindEmpty: // Lion does write empty parts
			p.cut("%v; converted what is there", gap)
		default:
			p.miss("%v; converted what is there", gap)
		}
	}
	return nil
}

// tellPart adds warnings about errors in a part of which something can be shown.
func (p *Plan) tellPart(part recording.Part, s guac.Summary, damage error) {
	name := p.named(part)
	switch {
	case errors.Is(damage, recording.ErrTrailing):
		p.cut("%s%v; they are left out", name, damage)
	case damage != nil:
		p.cut("%s%v; converted what is there", name, damage)
	case s.Broken != nil:
		p.cut("%s%v; converted what comes before", name, s.Broken)
	case s.Truncated:
		p.warn("%sends in the middle of an instruction; converted what is there", name)
	}
}

// about adds the part's name to an error, if there are other parts.
func (p *Plan) about(part recording.Part, err error) error {
	if name := p.named(part); name != "" {
		return fmt.Errorf("%s%w", name, err)
	}
	return err
}

func (p *Plan) named(part recording.Part) string {
	if p.Recording.Index == nil && len(p.Recording.Files) == 0 {
		return ""
	}
	return part.Name + ": "
}

// Draws returns how many instructions of the recording draw.
func (p *Plan) Draws() (n int64) {
	for _, s := range p.Parts {
		n += s.Draws
	}
	return n
}

// holdsNothing reports whether an error means content without any instruction.
func holdsNothing(err error) bool {
	return errors.Is(err, guac.ErrEmpty) || errors.Is(err, guac.ErrNotGuacamole)
}

// cut adds a warning about a recording that is truncated or damaged.
func (p *Plan) cut(format string, args ...any) {
	p.miss(format, args...)
	p.Cut = append(p.Cut, p.Missing[len(p.Missing)-1])
}

// scanPart returns the summary, and the error of the part's compressed data.
func (p *Plan) scanPart(ctx context.Context, part recording.Part, pace *pacer) (_ guac.Summary, damage, err error) {
	r, err := part.Open()
	if recording.Damaged(err) {
		return guac.Summary{}, err, guac.ErrEmpty
	}
	if err != nil {
		return guac.Summary{}, nil, err
	}
	defer r.Close()
	unpacked, err := readahead.NewReaderSize(r, 4, 256<<10) // in parallel with parsing
	if err != nil {
		return guac.Summary{}, nil, err
	}
	defer unpacked.Close()
	watched := &cutReader{ctx: ctx, r: unpacked, pace: pace}
	summary, err := guac.Scan(watched, p.limits)
	return summary, watched.damage, err
}

// cutReader hides the error of truncated or damaged compressed data: it ends like
// complete data, and keeps the error. It stops when its context ends.
type cutReader struct {
	ctx    context.Context
	r      io.Reader
	pace   *pacer // may be nil
	damage error
}

func (c *cutReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	if err := c.pace.rest(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if recording.Damaged(err) {
		c.damage, err = err, io.EOF
	}
	return n, err
}
