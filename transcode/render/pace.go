package render

import (
	"context"
	"time"
)

// stint is the least work that is worth telling a pacer of.
const stint = 20 * time.Millisecond

// pacer measures work between rests. A nil one never rests.
type pacer struct {
	ctx   context.Context //nolint:containedctx // of one step, which makes the pacer
	pace  func(ctx context.Context, worked time.Duration) error
	since time.Time
}

// newPacer is nil when there is nobody to tell.
func newPacer(ctx context.Context, pace func(context.Context, time.Duration) error) *pacer {
	if pace == nil {
		return nil
	}
	return &pacer{ctx: ctx, pace: pace, since: time.Now()}
}

// rest is called between pieces of work. Its errors are the context's.
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
