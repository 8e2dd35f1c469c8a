package devcore

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Stat is what a component reports in a heartbeat.
type Stat struct {
	Sessions                      []string // ids of live sessions
	SessionOnline                 int
	CPULoad, MemoryUsed, DiskUsed float64
}

// Task is a command of core to a component about a live session.
type Task struct {
	ID       string // "" = chosen by core
	Name     string // kill_session, lock_session, unlock_session
	Args     string // session id
	Finished bool   // acknowledged
	Created  time.Time
}

// AddTask adds a task for a component, and sends it at once if the component has a
// socket. It returns the task's id.
func (c *Core) AddTask(component string, t Task) (string, error) {
	if t.ID == "" {
		t.ID = uuid.NewString()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.componentNamed(component)
	if p == nil {
		return "", fmt.Errorf("no component is called %q", component)
	}
	t.Created = c.opt.Now()
	p.tasks = append(p.tasks, t)
	p.notify()
	return t.ID, nil
}

// Tasks returns all tasks ever given to a component.
func (c *Core) Tasks(component string) []Task {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.componentNamed(component); p != nil {
		return append([]Task(nil), p.tasks...)
	}
	return nil
}

// pending returns a component's open tasks in the form of the API.
func (c *Core) pending(p *component) []object {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []object{}
	for _, t := range p.tasks {
		if !t.Finished && c.opt.Now().Sub(t.Created) <= taskLife {
			list = append(list, object{
				"id": t.ID, "name": t.Name, "args": t.Args, "is_finished": false, "terminal": p.id,
				"kwargs":       object{"terminated_by": "Admin(admin)", "created_by": "Admin(admin)"},
				"date_created": t.Created.UTC().Format(time.RFC3339), "date_finished": nil,
			})
		}
	}
	return list
}

// patchTask handles PATCH tasks/*/, a component's acknowledgement.
func (c *Core) patchTask(r *call) reply {
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	finished, given, refusal := boolField(fields, "is_finished")
	if refusal != nil {
		return *refusal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.components {
		for i := range p.tasks {
			if t := &p.tasks[i]; t.ID == r.arg {
				if given {
					t.Finished = finished
				}
				return ok(object{"id": t.ID, "name": t.Name, "args": t.Args, "is_finished": t.Finished})
			}
		}
	}
	return missing("Task")
}

// heartbeat handles POST terminals/status/.
func (c *Core) heartbeat(r *call) reply {
	fields, refusal := c.fields(r)
	if refusal != nil {
		return *refusal
	}
	stat, refusal := parseStat(fields)
	switch {
	case refusal != nil:
		return *refusal
	case r.who.component == nil:
		return failed() // for an account without a terminal, core's code raises an exception
	}
	c.beat(r.who.component, stat)
	return reply{status: http.StatusCreated, body: c.pending(r.who.component)}
}

// beat records a heartbeat of a component.
func (c *Core) beat(p *component, s Stat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.stat, p.lastBeat = s, c.opt.Now()
}

// parseStat parses a heartbeat: the list of sessions is required, absent gauges are
// 0.
func parseStat(fields map[string]json.RawMessage) (Stat, *reply) {
	var s Stat
	problem := func(field, text string) (Stat, *reply) {
		a := invalid(field, text)
		return Stat{}, &a
	}
	switch raw := fields["sessions"]; {
	case raw == nil:
		return problem("sessions", errRequired)
	case string(raw) == "null":
		return problem("sessions", errNull)
	case json.Unmarshal(raw, &s.Sessions) != nil:
		return problem("sessions", "Expected a list of items.")
	}
	for _, id := range s.Sessions {
		if len(id) > 36 {
			return problem("sessions", errMax(36))
		}
	}
	for name, to := range map[string]*float64{"cpu_load": &s.CPULoad, "memory_used": &s.MemoryUsed, "disk_used": &s.DiskUsed} {
		raw, found := fields[name]
		if !found {
			continue
		}
		text := string(raw)
		if q, err := strconv.Unquote(text); err == nil {
			text = q
		}
		n, err := strconv.ParseFloat(text, 64)
		switch {
		case text == "null":
			return problem(name, errNull)
		case err != nil:
			return problem(name, errNumber)
		}
		*to = n
	}
	if raw, found := fields["session_online"]; found && json.Unmarshal(raw, &s.SessionOnline) != nil {
		return problem("session_online", errInteger)
	}
	return s, nil
}
