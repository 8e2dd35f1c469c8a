package statuspage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// press presses keys one after another.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// focused describes the element that has the focus: its id, or its text.
const focused = `(e => e === document.body ? '' : e.id || e.textContent.trim() || e.getAttribute('aria-label'))(document.activeElement)`

// tabTo presses the Tab key until an element has the focus.
func (b *browser) tabTo(id string) {
	b.t.Helper()
	for range 200 {
		if b.press(kb.Tab); b.eval(focused) == id {
			return
		}
	}
	b.t.Fatalf("the Tab key does not reach %s", id)
}

// TestAllOfItWithTheKeyboardAlone: the focus is visible, and the focused element has a name.
// The focus is never trapped, and each action is possible.
func TestAllOfItWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, token), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(`!document.getElementById('login').hidden && document.activeElement.id === 'token'`)
	b.expected("401")
	b.press(strings.Split(token, "")...)
	b.press(kb.Enter)
	b.until(ready)

	// The first stop skips the head of the page.
	b.do(chromedp.Reload())
	b.until(ready)
	b.press(kb.Tab)
	if got := b.eval(`document.activeElement.className`); got != "skip" {
		t.Errorf("the first stop is %s", b.eval(focused))
	}
	b.press(kb.Enter)
	b.until(`document.activeElement.id === 'main'`)

	for _, view := range []string{"overview", "sessions", "report"} {
		b.see(view)
		if view == "sessions" {
			b.until(`document.querySelectorAll('#list tr').length > 20`)
		}
		b.eval(`document.activeElement.blur()`)
		walk(t, b, view)
	}

	b.see("overview")
	b.tabTo("pause")
	b.press(" ")
	b.until(`!document.getElementById('paused').hidden`)
	b.press(kb.Enter)
	b.until(`document.getElementById('paused').hidden`)

	b.eval(`document.querySelector('#reasons [data-key="verification"] .who button').focus()`)
	b.press(kb.Enter)
	b.until(`document.getElementById('task').open && !document.getElementById('task-retry').hidden`)
	id := b.eval(`document.getElementById('task-id').textContent`)
	b.tabTo("task-retry")
	b.press(kb.Enter)
	l.state(t, id, queue.StateQueued)
	b.press(kb.Escape)
	b.until(`!document.getElementById('task').open && !/^#[0-9a-f]{8}/.test(location.hash)`) // the dialog reports its end with an event
	if got := b.eval(`document.querySelector('dialog').contains(document.activeElement)`); got != "false" {
		t.Error("a closed dialog keeps the focus")
	}

	b.eval(`document.getElementById('tab-sessions').focus()`)
	b.press(kb.Enter)
	b.until(`!document.getElementById('view-sessions').hidden`)
	b.tabTo("by-q")
	b.press(strings.Split("petrova", "")...)
	b.until(`[...document.querySelectorAll('#list .user')].length > 0 && [...document.querySelectorAll('#list .user')].every(e => e.textContent.includes('petrova'))`)
}

// walk moves through a view with the Tab key until it reaches the first stop again.
func walk(t *testing.T, b *browser, view string) {
	t.Helper()
	seen := map[string]bool{}
	for n := range 400 {
		b.press(kb.Tab)
		if b.eval(`document.activeElement === document.body`) == "true" {
			if n < 10 {
				t.Errorf("%s has only %d stops", view, n)
			}
			return
		}
		key := b.eval(`(e => { e.dataset.stop = e.dataset.stop || String(Math.random()); return e.dataset.stop; })(document.activeElement)`)
		if seen[key] { // the browser's own buttons are not stops
			return
		}
		seen[key] = true
		problem := b.eval(`(e => {
			const box = e.getBoundingClientRect(), style = getComputedStyle(e);
			if (!(e.textContent.trim() || e.getAttribute('aria-label') || e.labels && e.labels.length || e.getAttribute('aria-labelledby'))) return 'has no name';
			if (box.width < 1 || box.height < 1) return 'has no size';
			if (box.bottom < 0 || box.top > innerHeight) return 'is not in view';
			if (style.outlineStyle === 'none' && e.id !== 'main' && !e.classList.contains('card')) return 'is not marked';
			return '';
		})(document.activeElement)`)
		if problem != "" {
			t.Errorf("%s: %s %s", view, b.eval(focused), problem)
		}
	}
	t.Errorf("%s: %s", view, fmt.Sprint(len(seen), " stops without an end"))
}
