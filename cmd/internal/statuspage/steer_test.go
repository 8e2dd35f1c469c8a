package statuspage

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestSteeringOnThePage: pause and resume, limits, converting a task next, and restoring
// an original need one click each.
func TestSteeringOnThePage(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, token), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(`!document.getElementById('login').hidden`)
	b.expected("401")
	for _, call := range []string{"steering?paused=1", "tasks/" + failed + "/next", "trash/" + failed + "/restore"} {
		if got := b.call("POST", call); got != "401" {
			t.Errorf("%s without a token: %s", call, got)
		}
		b.expected("401")
	}
	b.signIn(token)
	b.until(ready)

	b.click("#pause")
	b.until(`document.getElementById('paused').textContent.includes('status page from 127.0.0.1')`)
	b.until(`document.getElementById('health-text').textContent === 'Paused by an operator'`)
	b.until(`document.querySelector('#working .how').textContent.startsWith('paused')`)
	b.click("#health")
	b.until(`document.activeElement.id === 'queue-card'`)
	b.until(`document.getElementById('pause').textContent === 'Resume'`)
	b.click("#pause")
	b.until(`document.getElementById('paused').hidden && document.getElementById('pause').textContent === 'Pause'`)
	if s := l.steers.Status(); s.Paused != nil {
		t.Errorf("%+v", s)
	}

	for id, value := range map[string]string{"#limit-cpu": "35", "#limit-workers": "1"} {
		b.do(chromedp.SetValue(chromedp.CSS(id), value))
	}
	b.click("#limits [type=submit]")
	b.until(`document.getElementById('limits-now').textContent.startsWith('CPU target 35%, 1 recording at once. Set by an operator; the settings are 80% and 3.')`)
	if s := l.steers.Status(); s.CPUTarget != 35 || s.Workers != 1 {
		t.Errorf("%+v", s)
	}
	b.click("#limits-default")
	b.until(`document.getElementById('limits-now').textContent === 'CPU target 80%, 3 recordings at once.'`)
	if s := l.steers.Status(); s.Settings != (steering.Settings{}) {
		t.Errorf("%+v", s)
	}

	b.click(`#reasons [data-key="verification"] .who button`)
	b.until(`!document.getElementById('task-next').hidden`)
	id := b.eval(`document.getElementById('task-id').textContent`)
	b.click("#task-next")
	b.until(`document.getElementById('task-said').textContent === 'It is next in the queue.'`)
	l.state(t, id, queue.StateQueued)
	b.do(chromedp.KeyEvent("\x1b"))
	b.until(`!document.getElementById('task').open && !/^#[0-9a-f]{8}/.test(location.hash)`) // the dialog reports its end with an event

	b.eval(`(async () => (await (await fetch('api/tasks?state=done', { headers: { Authorization: 'Bearer ` + token + `' } })).json()).find(v => v.originals).id)().then(id => { window.found = id; })`)
	b.until(`Boolean(window.found)`)
	id = b.eval("window.found")
	b.eval(`location.hash = '#' + window.found`)
	b.click("#task-restore")
	b.until(`document.getElementById('task-said').textContent.startsWith('The original is back in its place.')`)
	l.state(t, id, queue.StateSkipped)
	if v, err := l.queue.Get(t.Context(), id); err != nil || v.Reason != task.ClassRestored {
		t.Errorf("%+v, %v", v, err)
	}
	b.do(chromedp.KeyEvent("\x1b"))
	b.until(`!document.getElementById('task').open && !/^#[0-9a-f]{8}/.test(location.hash)`) // the dialog reports its end with an event

	b.eval(`location.hash = '#sessions?reason=not_guacamole'`)
	b.click("#retry-shown")
	b.until(`/^\d+ tasks? (is|are) retried/.test(document.getElementById('list-more').textContent)`)
}

// TestWhoMayNotSteer: without the token, the page shows the settings, but no buttons.
func TestWhoMayNotSteer(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, ""), newBrowser(t)
	if _, err := l.steers.Change(func(s *steering.Settings) { s.CPUTarget = 35 }); err != nil {
		t.Fatal(err)
	}
	b.open(l.server.URL + Path)
	b.until(ready)
	b.until(`document.getElementById('limits-now').textContent.startsWith('CPU target 35%')`)
	if b.eval(`['pause', 'limits', 'retry-shown'].every(id => document.getElementById(id).hidden)`) != "true" {
		t.Error("the page offers what the agent refuses")
	}
	if got := b.call("POST", "steering?paused=1"); got != "401" {
		t.Error(got)
	}
	b.expected("401")
}
