package devcore

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// cached is a response of GET …/replay/, which is made in the background and cached
// for a while.
type cached struct {
	key     string
	start   time.Time
	expires time.Time
	answer  *reply // nil until it is ready
	problem string // why it failed
}

// getReplay handles GET sessions/*/replay/. The first response is "running", while
// the lookup continues in the background. Later responses are its result, also if
// that is a 404. The result is cached for 600 s, or until a request has the
// parameter "refresh".
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
	if fresh && c.opt.RacingReplay {
		c.lookUp(r.Context(), r, s, part, e)
		return c.raced(e)
	}
	if fresh {
		l := *r // outlives the request
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

// cachedReplay returns the cached entry, or a new one to fill.
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

// raced returns the response to a request at the moment when its own lookup ends:
// core changes the object while it sends it. It has no src at the top level.
func (c *Core) raced(e *cached) reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := e.running()
	delete(o, "key")
	if e.answer == nil {
		o["status"], o["error"] = "error", e.problem
		return ok(o)
	}
	o["status"], o["resp"] = "ok", e.answer.body
	return ok(o)
}

// notFound returns core's message if there is no replay.
func (c *Core) notFound() string {
	if len(c.opt.External) == 0 && c.opt.ServerStorage == nil {
		return "Not found REPLAY file, and not remote storage set"
	}
	return "Not found REPLAY file"
}

func (e *cached) running() object {
	return object{"status": "running", "start_time": float64(e.start.UnixMicro()) / 1e6, "key": e.key}
}

// lookUp makes the response.
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
		e.answer = &reply{status: http.StatusNotFound, body: object{"error": c.notFound()}}
	case err != nil && r.v.oneBreaksAll():
		e.problem = err.Error()
	case err != nil:
		e.answer = &reply{status: http.StatusNotFound, body: object{"error": "Failed download REPLAY file: " + err.Error()}}
	default:
		e.answer = &reply{status: http.StatusOK, body: object{
			"type": playerOf(r.v, rel, s), "src": mediaURL + rel,
			"user": s.User, "asset": s.Asset, "account": s.Account,
			"date_start": isoDate(s.Start), "date_end": isoDate(s.End), // in UTC, whatever X-TZ says
			"download_url": strings.Replace(apiSession, "*", s.ID, 1) + "replay/download/",
		}}
	}
}
