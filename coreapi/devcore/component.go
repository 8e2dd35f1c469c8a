package devcore

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// component is what core calls a terminal.
type component struct {
	id, name, kind, comment, remoteAddr string
	created                             time.Time
	account                             *account // nil for one that only recorded sessions added by a test
	deleted                             bool
	stat                                Stat
	lastBeat                            time.Time
	storage                             map[string]any
	tasks                               []Task
	sockets                             map[chan struct{}]bool
}

// Component is a registered component as the UI shows it.
type Component struct {
	ID, Name, Type, Comment string
	RemoteAddr              string
	KeyID                   string // of its access key
	Online                  bool   // a heartbeat in the last 180 s
	Load                    string // normal, high, critical, or offline
	LastBeat                time.Time
	Stat                    Stat // the last one
}

// Components returns the registered components in the order of registration.
func (c *Core) Components() []Component {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Component
	for _, p := range c.components {
		if p.account != nil && !p.deleted {
			list = append(list, Component{
				ID: p.id, Name: p.name, Type: p.kind, Comment: p.comment, RemoteAddr: p.remoteAddr,
				KeyID: p.account.keyID, Online: c.online(p), Load: c.load(p), LastBeat: p.lastBeat, Stat: p.stat,
			})
		}
	}
	return list
}

// DeleteComponent does the same as deleting a terminal in the UI: its account and
// key are deleted, and its name is free again.
func (c *Core) DeleteComponent(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.componentNamed(name)
	if p == nil {
		return fmt.Errorf("no component is called %q", name)
	}
	p.deleted = true
	p.name += "_" + randomText(7)
	for _, s := range c.sessions {
		if s.Terminal == name {
			s.Terminal = p.name
		}
	}
	if p.account != nil {
		c.deleteAccount(p.account)
	}
	return nil
}

// componentNamed returns the component with this name; deleted ones have other
// names. The caller must hold the lock.
func (c *Core) componentNamed(name string) *component {
	for _, p := range c.components {
		if p.name == name {
			return p
		}
	}
	return nil
}

// recorderNamed returns the component with this name that records sessions, and
// creates it if necessary. The caller must hold the lock.
func (c *Core) recorderNamed(name, kind string) *component {
	if p := c.componentNamed(name); p != nil {
		return p
	}
	if kind == "" {
		kind = kinds[0]
	}
	p := &component{id: uuid.NewString(), name: name, kind: kind, comment: kind, created: c.opt.Now(), storage: c.storage}
	c.components = append(c.components, p)
	return p
}

func (c *Core) online(p *component) bool {
	return !p.lastBeat.IsZero() && c.opt.Now().Sub(p.lastBeat) < onlineFor
}

// load returns the worst level of a component's gauges.
func (c *Core) load(p *component) string {
	if !c.online(p) {
		return "offline"
	}
	levels := []string{"normal", "high", "critical"}
	worst := 0
	for _, g := range []struct{ value, high, critical float64 }{
		{p.stat.CPULoad, 5, 20}, {p.stat.MemoryUsed, 85, 95}, {p.stat.DiskUsed, 80, 99},
	} {
		switch value := math.Round(g.value*10) / 10; {
		case value < 0 || value > g.critical:
			worst = 2
		case value > g.high:
			worst = max(worst, 1)
		}
	}
	return levels[worst]
}

// listComponents handles GET terminals/.
func (c *Core) listComponents(r *call) reply {
	q := r.URL.Query()
	c.mu.Lock()
	defer c.mu.Unlock()
	var rows []object
	for _, p := range c.components {
		if p.deleted || q.Get("type") != "" && q.Get("type") != p.kind || q.Get("name") != "" && q.Get("name") != p.name {
			continue
		}
		load := c.load(p)
		row := object{
			"id": p.id, "name": p.name, "type": p.kind, "remote_addr": p.remoteAddr, "comment": p.comment,
			"session_online": len(p.stat.Sessions), "command_storage": "default", "replay_storage": "default",
			"is_active": p.account == nil || !p.account.disabled, "is_alive": c.online(p),
			"date_created": c.date(r.Request, p.created), "load": labelled(load, strings.ToUpper(load[:1])+load[1:]),
			"stat": nil,
		}
		if c.online(p) {
			row["stat"] = object{
				"cpu_load": p.stat.CPULoad, "memory_used": p.stat.MemoryUsed, "disk_used": p.stat.DiskUsed,
				"session_online": p.stat.SessionOnline,
			}
		}
		rows = append(rows, row)
	}
	return page(r, rows)
}

// metrics handles GET components/metrics/.
func (c *Core) metrics(r *call) reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	var groups []object
	for _, kind := range kinds {
		group := object{"type": kind}
		for _, load := range []string{"normal", "high", "critical", "offline"} {
			names := []string{}
			for _, p := range c.components {
				if !p.deleted && p.kind == kind && c.load(p) == load {
					names = append(names, p.name)
				}
			}
			group[load] = names
		}
		total, active := 0, 0
		for _, p := range c.components {
			if !p.deleted && p.kind == kind {
				total++
				active += len(p.stat.Sessions)
			}
		}
		group["total"], group["session_active"] = total, active
		groups = append(groups, group)
	}
	return reply{status: http.StatusOK, body: slices.DeleteFunc(groups, func(g object) bool { return g["total"] == 0 })}
}
