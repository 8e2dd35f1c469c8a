package devcore

import (
	"net/http"
	"strings"
)

// call is a request that was routed and authenticated.
type call struct {
	*http.Request
	w     http.ResponseWriter
	entry *Request // in the log
	v     version
	who   *account // nil where no account is needed
	org   string   // the organization whose objects it sees
	arg   string   // the path segment at the * of the route
}

// need is what an endpoint requires of callers.
type need int

const (
	needNothing need = iota // the handler checks the caller
	needValid               // any valid account
	needSystem              // the role of components, or an administrator
	needService             // a service account
	needAdmin               // an administrator
)

// handler handles a call. If it has written the response itself, it returns a reply
// without status.
type handler func(*Core, *call) reply

// door is one method of a route: its requirement and its handler.
type door struct {
	need need
	do   handler
}

// route is a path, in which * stands for one segment, and its doors by method.
type route struct {
	path  string
	doors map[string]door
	since func(version) bool // nil = in all versions
}

const (
	apiTerminal = "/api/v1/terminal/"
	apiSession  = apiTerminal + "sessions/*/"
)

// statusDoors: heartbeats can be sent, but not read.
var statusDoors = map[string]door{
	"POST": {needSystem, (*Core).heartbeat},
	"GET":  {needSystem, func(*Core, *call) reply { return ok([]object{}) }},
}

var routes = []route{
	{path: "/api/v1/users/profile/", doors: map[string]door{"GET": {needValid, (*Core).profile}}},

	{path: apiTerminal + "terminal-registrations/", doors: map[string]door{"POST": {needNothing, (*Core).register}}},
	{path: apiTerminal + "registration/", doors: map[string]door{"POST": {needNothing, (*Core).register}}},
	{path: apiTerminal + "terminals/status/", doors: statusDoors},
	{path: apiTerminal + "status/", doors: statusDoors},
	{path: apiTerminal + "terminals/config/", doors: map[string]door{"GET": {needSystem, (*Core).terminalConfig}}},
	{path: apiTerminal + "terminals/", doors: map[string]door{"GET": {needSystem, (*Core).listComponents}}},
	{path: apiTerminal + "terminals/*/", doors: map[string]door{"PATCH": {needAdmin, (*Core).patchComponent}}},
	{path: apiTerminal + "components/metrics/", doors: map[string]door{"GET": {needSystem, (*Core).metrics}}},
	{path: apiTerminal + "replay-storages/", doors: map[string]door{
		"GET": {needSystem, (*Core).listStorages}, "POST": {needAdmin, (*Core).createStorage},
	}},
	{path: apiTerminal + "replay-storages/*/", doors: map[string]door{"GET": {needAdmin, (*Core).getStorage}}},
	{path: "/api/v1/settings/setting/", doors: map[string]door{"PATCH": {needAdmin, (*Core).patchSettings}}},
	{path: apiTerminal + "tasks/*/", doors: map[string]door{"PATCH": {needSystem, (*Core).patchTask}}},
	{path: "/ws/terminal-task/", doors: map[string]door{"GET": {needNothing, (*Core).socket}}},

	{path: apiTerminal + "sessions/", doors: map[string]door{
		"GET": {needSystem, (*Core).listSessions}, "POST": {needSystem, (*Core).createSession},
	}},
	{path: apiSession, doors: map[string]door{
		"GET": {needSystem, (*Core).getSession}, "PATCH": {needSystem, (*Core).patchSession}, "DELETE": {needAdmin, (*Core).deleteSession},
	}},
	{path: apiSession + "lifecycle_log/", since: version.hasLifecycleLog, doors: map[string]door{"POST": {needService, (*Core).lifecycle}}},
	{path: apiSession + "replay/", doors: map[string]door{
		"POST": {needSystem, (*Core).upload}, "GET": {needSystem, (*Core).getReplay},
	}},
	{path: apiSession + "replay/download/", doors: map[string]door{"GET": {needSystem, (*Core).download}}},
}

// match returns the path segment at the * of the route.
func (t route) match(path string) (arg string, ok bool) {
	before, after, wild := strings.Cut(t.path, "*")
	if !wild {
		return "", path == t.path
	}
	if len(path) <= len(before)+len(after) || !strings.HasPrefix(path, before) || !strings.HasSuffix(path, after) {
		return "", false
	}
	arg = path[len(before) : len(path)-len(after)]
	return arg, !strings.Contains(arg, "/")
}

func findRoute(path string, v version) (route, string, bool) {
	for _, t := range routes {
		if arg, ok := t.match(path); ok && (t.since == nil || t.since(v)) {
			return t, arg, true
		}
	}
	return route{}, "", false
}

// serve handles a request without faults.
func (c *Core) serve(w *recorder, r *http.Request) {
	if limit := c.opt.MaxUpload; limit > 0 {
		if r.ContentLength > limit {
			tooLarge(w)
			return
		}
		body := r.Body
		r.Body = http.MaxBytesReader(w, body, limit)
		defer func() {
			if w.entry.Status == http.StatusRequestEntityTooLarge {
				linger(w, body)
			}
		}()
	}
	if strings.HasPrefix(r.URL.Path, mediaURL) {
		c.serveMedia(w, r)
		return
	}
	v := c.rules()
	t, arg, found := findRoute(r.URL.Path, v)
	if !found {
		if _, _, slash := findRoute(r.URL.Path+"/", v); slash {
			// Django redirects too; that turns a POST into a GET.
			u := *r.URL
			u.Path += "/"
			http.Redirect(w, r, u.RequestURI(), http.StatusMovedPermanently)
			return
		}
		unrouted().send(w)
		return
	}
	l := &call{Request: r, w: w, entry: w.entry, v: v, arg: arg}
	if answer := c.enterDoor(l, t); answer.status != 0 {
		answer.send(w)
	}
}

// enterDoor checks the caller as core does: signature, validity, permission, rate,
// method. Then it calls the handler.
func (c *Core) enterDoor(l *call, t route) reply {
	d, exists := t.doors[l.Method]
	if exists && d.need == needNothing {
		return d.do(c, l)
	}
	who, refusal := c.authenticate(l.Request, l.v)
	switch {
	case refusal != nil:
		return *refusal
	case who == nil:
		return stranger(l.v)
	}
	l.who, l.org = who, c.orgOf(l.Request)
	c.note(l.entry, func(e *Request) { e.User = who.username })
	if !c.valid(who) || !exists && !who.service && !who.admin || exists && !permitted(who, d.need) {
		return forbidden()
	}
	if refusal := c.tooMany(who, l.v); refusal != nil {
		return *refusal
	}
	if !exists {
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "Method \""+l.Method+"\" not allowed.")
	}
	return d.do(c, l)
}

func permitted(a *account, n need) bool {
	switch n {
	case needSystem:
		return a.service || a.admin
	case needService:
		return a.service
	case needAdmin:
		return a.admin
	default:
		return true
	}
}

// Organizations that exist in every core.
const (
	orgRoot    = "00000000-0000-0000-0000-000000000000"
	orgDefault = "00000000-0000-0000-0000-000000000002"
	orgSystem  = "00000000-0000-0000-0000-000000000004"
)

// orgOf returns the organization of a request: the query's oid, or else the header,
// or else the default one.
func (c *Core) orgOf(r *http.Request) string {
	oid := r.URL.Query().Get("oid")
	if oid == "" {
		oid = r.Header.Get("X-JMS-ORG")
	}
	switch strings.ToLower(oid) {
	case "root", orgRoot:
		return orgRoot
	case "", "default", orgDefault:
		return orgDefault
	case "system", orgSystem:
		return orgSystem
	}
	if !c.opt.Enterprise {
		return orgDefault
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sessions {
		if strings.EqualFold(s.Org, oid) {
			return s.Org
		}
	}
	return orgDefault
}

// sees reports whether the call's organization can see objects of org.
func (l *call) sees(org string) bool { return l.org == orgRoot || l.org == org }
