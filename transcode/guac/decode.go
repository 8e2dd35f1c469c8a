package guac

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// job is an image to be decoded.
type job struct {
	mimetype string
	data     []byte
	weight   int64 // of the budget that it holds, once submitted

	done chan struct{}
	pic  picture // set when done is closed
	err  error   // likewise
}

func newPicture(mimetype string, data []byte) *job {
	return &job{mimetype: mimetype, data: data, done: make(chan struct{})}
}

// wait returns the decoded image. Whoever calls it must know that the job
// was submitted or will be.
func (j *job) wait() (picture, error) {
	<-j.done
	return j.pic, j.err
}

// budget bounds what decoded images that wait to be drawn take, in bytes: two
// of a Full HD screen.
const budget = 16 << 20

// large is the size of images beyond which they, and what decoders leave behind,
// must not pile up before the collector comes by itself, in bytes.
const large = 8 << 20

// pool decodes images ahead of drawing. Jobs are submitted in the order in
// which they are drawn, so that the next one to be drawn always has its share
// of the budget.
type pool struct {
	lim  Limits
	work *meter
	jobs chan *job
	room *semaphore.Weighted
	wg   sync.WaitGroup
	used buffers
}

func newPool(workers int, lim Limits, work *meter) *pool {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p := &pool{lim: lim, work: work, jobs: make(chan *job, 2*workers), room: semaphore.NewWeighted(budget)}
	for range workers {
		p.wg.Go(func() {
			for j := range p.jobs {
				j.pic, j.err = decodeImage(j.mimetype, j.data, p.used.image)
				j.data = nil
				if j.weight > large {
					runtime.GC()
				}
				close(j.done)
			}
		})
	}
	return p
}

// submit hands a job to the decoders; it waits for room.
func (p *pool) submit(ctx context.Context, j *job) error {
	w, h, err := imageSize(j.mimetype, j.data, p.lim)
	if err != nil {
		j.err = err // the painter tells of it
		close(j.done)
		return nil //nolint:nilerr // one bad image does not end the recording
	}
	if !p.work.spend(decodingWork(j.mimetype, j.data, w, h)) {
		j.err = ErrTooCostly
		close(j.done)
		return ErrTooCostly
	}
	j.weight = min(int64(rounded(4*w*h)), budget)
	if err := p.room.Acquire(ctx, j.weight); err != nil {
		j.weight = 0
		j.err = err
		close(j.done)
		return err
	}
	select {
	case p.jobs <- j:
		return nil
	case <-ctx.Done():
		j.err = ctx.Err()
		close(j.done)
		return ctx.Err()
	}
}

// release gives a drawn image's share of the budget back.
func (p *pool) release(j *job) {
	p.used.put(j.pic.img)
	j.pic = picture{}
	if j.weight > large { // the next one's memory is taken as soon as there is room
		runtime.GC()
	}
	if j.weight > 0 {
		p.room.Release(j.weight)
	}
}

// close ends the decoders; nothing may be submitted any more.
func (p *pool) close() {
	close(p.jobs)
	p.wg.Wait()
}
