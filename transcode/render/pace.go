package render

import (
	"context"
	"time"
)

// stint is the shortest duration of work that is reported to a pacer.
const stint = 20 * time.Millisecond

// pacer measures work between pauses. A nil pacer never pauses.
type pacer struct {
	ctx   context.Context //nolint:containedctx // of one step, which makes the pacer
	pace  func(ctx context.Context, worked time.Duration) error
	since time.Time
}

// newPacer returns nil if pace is nil.
func newPacer(ctx context.Context, pace func(context.Context, time.Duration) error) *pacer {
	if pace == nil {
		return nil
	}
	return &pacer{ctx: ctx, pace: pace, since: time.Now()}
}

// rest must be called between pieces of work. Its errors are those of the context.
func (p *pacer) rest() error {
	if p == nil {
		return nil
	}
	worked := time.Since(p.since)
	if worked < stint {
		return nil
	}
	err := p.pace(p.ctx, worked)
	p.since = time.Now()
	return err
}
