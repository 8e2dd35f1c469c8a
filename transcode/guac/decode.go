package guac

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// pendingImage is an image that is decoded in the background.
type pendingImage struct {
	mimetype string
	data     []byte
	weight   int64 // its share of the budget, once submitted

	done chan struct{}
	pic  picture // valid when done is closed
	err  error   // likewise
}

func newPicture(mimetype string, data []byte) *pendingImage {
	return &pendingImage{mimetype: mimetype, data: data, done: make(chan struct{})}
}

// wait returns the decoded image. The image must have been submitted, or be
// submitted later.
func (im *pendingImage) wait() (picture, error) {
	<-im.done
	return im.pic, im.err
}

// budget limits the memory of decoded images that wait to be drawn, in bytes: two
// of a Full HD screen.
const budget = 16 << 20

// large is the size in bytes beyond which memory of images and decoders must be
// freed by an explicit garbage collection.
const large = 8 << 20

// pool decodes images before they are drawn. They are submitted in the order of
// drawing, so that the next image to be drawn always has its share of the budget.
type pool struct {
	lim   Limits
	work  *meter
	queue chan *pendingImage
	room  *semaphore.Weighted
	wg    sync.WaitGroup
	used  buffers
}

func newPool(workers int, lim Limits, work *meter) *pool {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p := &pool{lim: lim, work: work, queue: make(chan *pendingImage, 2*workers), room: semaphore.NewWeighted(budget)}
	for range workers {
		p.wg.Go(func() {
			for im := range p.queue {
				im.pic, im.err = decodeImage(im.mimetype, im.data, p.used.image)
				im.data = nil
				if im.weight > large {
					runtime.GC()
				}
				close(im.done)
			}
		})
	}
	return p
}

// submit passes an image to the decoders; it waits until there is room.
func (p *pool) submit(ctx context.Context, im *pendingImage) error {
	w, h, err := imageSize(im.mimetype, im.data, p.lim)
	if err != nil {
		im.err = err // the painter reports it
		close(im.done)
		return nil //nolint:nilerr // one bad image does not end the recording
	}
	if !p.work.spend(decodingWork(im.mimetype, im.data, w, h)) {
		im.err = ErrTooCostly
		close(im.done)
		return ErrTooCostly
	}
	im.weight = min(int64(rounded(4*w*h)), budget)
	if err := p.room.Acquire(ctx, im.weight); err != nil {
		im.weight = 0
		im.err = err
		close(im.done)
		return err
	}
	select {
	case p.queue <- im:
		return nil
	case <-ctx.Done():
		im.err = ctx.Err()
		close(im.done)
		return ctx.Err()
	}
}

// release returns a drawn image's share of the budget.
func (p *pool) release(im *pendingImage) {
	p.used.put(im.pic.img)
	im.pic = picture{}
	if im.weight > large { // the memory of the next image is allocated as soon as there is room
		runtime.GC()
	}
	if im.weight > 0 {
		p.room.Release(im.weight)
	}
}

// close stops the decoders; nothing may be submitted afterwards.
func (p *pool) close() {
	close(p.queue)
	p.wg.Wait()
}
