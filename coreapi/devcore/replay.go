package devcore

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// cached is an answer of GET …/replay/, made in the background and kept for a
// while.
type cached struct {
	key     string
	start   time.Time
	expires time.Time
	answer  *reply // nil while it is being made
	problem string // why there will be none
}

// getReplay answers GET sessions/*/replay/: at first with "running", while the
// lookup goes on in the background, later with what it found, be that a 404,
// until 600 s have passed or "refresh" is asked for.
func (c *Core) getReplay(r *call) reply {
	s, refusal := c.strictSession(r)
	if refusal != nil {
		return *refusal
	}
	q := r.URL.Query()
	refresh := q.Get("refresh") != ""
	part := q.Get("part_filename")
	q.Del("refresh")
	q.Del("_")
	key := strings.Join([]string{r.Method, r.URL.Path, q.Encode(), r.who.id}, "_")

	e, fresh := c.cachedReplay(key, refresh)
	if fresh {
		l := *r // for longer than the request
		c.background(func(ctx context.Context) { c.lookUp(ctx, &l, s, part, e) })
		return ok(e.running())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.answer != nil:
		return *e.answer
	case e.problem != "":
		o := e.running()
		o["status"], o["error"] = "error", e.problem
		return ok(o)
	}
	return ok(e.running())
}

// cachedReplay returns what is cached, or a fresh entry to fill.
func (c *Core) cachedReplay(key string, refresh bool) (e *cached, fresh bool) {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.replays[key]; e != nil && !refresh && now.Before(e.expires) {
		return e, false
	}
	e = &cached{key: key, start: now, expires: now.Add(replayCache)}
	c.replays[key] = e
	return e, true
}

func (e *cached) running() object {
	return object{"status": "running", "start_time": float64(e.start.UnixMicro()) / 1e6, "key": e.key}
}

// lookUp makes the answer.
func (c *Core) lookUp(ctx context.Context, r *call, s Session, part string, e *cached) {
	var rel string
	var err error
	if part != "" && r.v.hasParts() {
		rel, err = c.findPart(ctx, r.v, s, part)
	} else {
		rel, _, err = c.find(ctx, r.v, s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.expires = c.opt.Now().Add(replayCache)
	switch {
	case errors.Is(err, ErrNoReplay):
		e.answer = &reply{status: http.StatusNotFound, body: object{"error": "REPLAY not found."}}
	case err != nil && r.v.oneBreaksAll():
		e.problem = err.Error()
	case err != nil:
		e.answer = &reply{status: http.StatusNotFound, body: object{"error": "Failed download REPLAY file: " + err.Error()}}
	default:
		e.answer = &reply{status: http.StatusOK, body: object{
			"type": playerOf(r.v, rel, s), "src": mediaURL + rel,
			"user": s.User, "asset": s.Asset, "account": s.Account,
			"date_start": c.date(r.Request, s.Start), "date_end": c.date(r.Request, s.End),
			"download_url": strings.Replace(apiSession, "*", s.ID, 1) + "replay/download/",
		}}
	}
}
