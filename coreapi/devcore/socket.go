package devcore

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/coder/websocket"
)

// socket handles GET /ws/terminal-task/: it receives heartbeats and sends tasks as
// binary frames. It sends the first frame at once, usually an empty list.
func (c *Core) socket(r *call) reply {
	who, _ := c.authenticate(r.Request, r.v)
	if who == nil || who.component == nil || !c.valid(who) {
		// Channels closes before it accepts; the client sees that as a 403.
		return reply{status: http.StatusForbidden}
	}
	c.note(r.entry, func(e *Request) { e.User = who.username })
	conn, err := websocket.Accept(r.w, r.Request, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return reply{} // Accept has responded
	}
	defer conn.CloseNow()
	conn.SetReadLimit(10 << 20)

	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	c.attach(who.component, wake)
	defer c.detach(who.component, wake)

	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	listened := make(chan struct{})
	go func() {
		defer close(listened)
		defer cancel()
		c.listen(ctx, conn, who.component)
	}()
	defer func() { cancel(); <-listened }()
	for {
		select {
		case <-ctx.Done():
			return reply{}
		case <-wake:
		}
		b, err := json.Marshal(c.pending(who.component))
		if err != nil {
			return reply{} // plain values can always be marshalled
		}
		if conn.Write(ctx, websocket.MessageBinary, b) != nil {
			return reply{}
		}
	}
}

// listen receives heartbeats until the connection ends. It ignores invalid ones;
// core would log them.
func (c *Core) listen(ctx context.Context, conn *websocket.Conn, p *component) {
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var message struct {
			Type    string                     `json:"type"`
			Payload map[string]json.RawMessage `json:"payload"`
		}
		if json.Unmarshal(b, &message) != nil || message.Type != "status" {
			c.log.Warn("socket: not a heartbeat", "component", p.name)
			continue
		}
		stat, refusal := parseStat(message.Payload)
		if refusal != nil {
			c.log.Warn("socket: invalid heartbeat", "component", p.name, "problem", refusal.body)
			continue
		}
		c.beat(p, stat)
	}
}

func (c *Core) attach(p *component, wake chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.sockets == nil {
		p.sockets = map[chan struct{}]bool{}
	}
	p.sockets[wake] = true
}

func (c *Core) detach(p *component, wake chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(p.sockets, wake)
}

// notify wakes a component's sockets. The caller must hold the lock.
func (p *component) notify() {
	for wake := range p.sockets {
		select {
		case wake <- struct{}{}:
		default: // already notified
		}
	}
}
