package statuspage

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	browserdomain "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
)

// browser is a headless Chromium. It fails the test if the page logs an error.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	wrong []string // errors on the console
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes long")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if path == "" {
		t.Skip("no chromium in PATH: the page is not tested (apt-get install chromium)")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("disable-background-networking", true),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, expire := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(expire)
	b := &browser{t: t, ctx: ctx}
	b.open("about:blank")
	go func() {
		for m, err := range chromedp.Console(ctx) {
			if err != nil {
				return // the browser has closed the connection
			}
			b.complain(m.Text + " " + m.URL)
		}
	}()
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			t.Errorf("the browser reports an error: %s", w)
		}
	})
	return b
}

func (b *browser) complain(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, what)
}

// expected removes errors that are part of the test. There must be at least one.
func (b *browser) expected(part string) {
	b.t.Helper()
	var others []string
	waittest.Until(b.t, "the browser reports an error with "+part, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		all := len(b.wrong)
		b.wrong = slices.DeleteFunc(b.wrong, func(w string) bool { return strings.Contains(w, part) })
		others = slices.Clone(b.wrong)
		return len(b.wrong) < all
	}, func() any { return others })
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns the value of an expression.
func eval[T any](b *browser, expression string, options ...chromedp.EvaluateOption) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// eval returns the value of an expression as text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	return eval[string](b, "String("+expression+")")
}

// until waits until an expression is true.
func (b *browser) until(expression string) {
	b.t.Helper()
	waittest.Until(b.t, expression, func() bool { return b.eval(expression) == "true" },
		func() any { return b.eval("document.body.innerText") })
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// ready is true once the page shows the data.
const ready = `!document.getElementById('data').hidden`

func (b *browser) signIn(token string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), token+"\r", chromedp.NodeVisible))
}

func TestThePageShowsTheQueue(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, ""), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(ready)
	for expression, want := range map[string]string{
		`document.getElementById('health-text').textContent`:                                  "All is well",
		`document.querySelector('#working .bar').getAttribute('aria-valuenow')`:               "37",
		`document.querySelector('#working .bar span').style.width`:                            "37%",
		`document.querySelectorAll('#working li').length`:                                     "2",
		`document.querySelectorAll('#waiting li').length`:                                     "10",
		`document.getElementById('waiting-title').textContent`:                                "Next 10 of 21",
		`document.querySelectorAll('#recent tr').length`:                                      "8",
		`document.querySelector('#reasons .title span').textContent`:                          "The MP4 failed verification",
		`[...document.querySelectorAll('#reasons button.quiet')].every(e => !e.offsetParent)`: "true",
		`document.getElementById('todo').textContent`:                                         "23 recordings",
		`document.querySelectorAll('#days-plot rect').length`:                                 "30",
		`document.querySelectorAll('#cpu-plot path').length`:                                  "3",
	} {
		if got := b.eval(expression); got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
	// The page follows changes.
	if err := l.second.Update(func(task *queue.Task) { task.State = queue.StateUploading }); err != nil {
		t.Fatal(err)
	}
	l.second.Progress(.5)
	b.until(`document.querySelector('#working li:nth-child(2) .how').textContent === 'uploading · 50%'`)
	l.set(func() { l.core = coreapi.State{LastError: "core cannot be reached"} })
	b.until(`document.getElementById('health-text').textContent === 'Not registered with core'`)
	l.set(func() { l.core.Registered, l.core.Online, l.core.LastError = true, true, "" })
	b.until(`document.getElementById('health-text').textContent === 'All is well'`)
	if row := b.eval(`document.querySelector('#state [data-key=storage]').innerText`); !strings.Contains(row, "minio.example:9000") {
		t.Errorf("the replay storage: %s", row)
	}
	l.set(func() { l.trouble, l.uploads = errors.New("the storage is full"), errors.New("less than 1 GB is left") })
	b.until(`document.getElementById('health-text').textContent === 'Replay storage unavailable'`)
	b.until(`document.querySelector('#state [data-key=uploads]').innerText.includes('less than 1 GB')`)
	if b.eval(`document.getElementById('held').hidden`) != "true" {
		t.Error("the queue is held up within working hours")
	}
	l.set(func() { l.cpu.Hours, l.cpu.Inside, l.cpu.Outside = "22:00-06:00", false, throttle.Pause })
	b.until(`document.getElementById('held').innerText.includes('22:00-06:00')`)
}

func TestALogIsShownAsText(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, ""), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(ready)
	b.click(`#reasons [data-key="` + failed + `"]`)
	b.until(`document.getElementById('task-log').textContent.includes('<b>the original</b>')`)
	if facts := b.eval(`document.getElementById('task-facts').innerText`); !strings.Contains(facts, "SSIM 0.41") {
		t.Errorf("facts: %s", facts)
	}
	if hash := b.eval(`location.hash`); hash != "#"+failed {
		t.Errorf("the address ends with %q", hash)
	}
	b.do(chromedp.KeyEvent("\x1b"))
	b.until(`!document.getElementById('task').open && location.hash === ''`)
	// Open the session by its address, and by a search.
	b.open("about:blank")
	b.open(l.server.URL + Path + "#" + failed)
	b.until(`document.getElementById('task-log').textContent.includes('ERR failed')`)
	b.do(chromedp.KeyEvent("\x1b"))
	b.until(`!document.getElementById('task').open && location.hash === ''`)
	b.click("#tab-sessions")
	b.do(chromedp.SendKeys(chromedp.CSS("#by-q"), working+"\r", chromedp.NodeVisible))
	b.until(`document.getElementById('task-id').textContent === '` + working + `'`)
	b.until(`document.getElementById('task-log').textContent.includes('no log of that task')`)
	b.expected("404")
}

func TestRetryingNeedsTheToken(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, token), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(`!document.getElementById('login').hidden`)
	b.expected("401")
	// The agent refuses what the page does not offer.
	for _, call := range []string{"retry?reason=verification", "tasks/" + failed + "/retry"} {
		if got := b.call("POST", call); got != "401" {
			t.Errorf("%s without a token: %s", call, got)
		}
		b.expected("401")
	}
	b.signIn("wrong")
	b.until(`document.getElementById('login-error').textContent.includes('does not accept')`)
	b.expected("401")
	b.signIn(token)
	b.until(ready + ` && !document.getElementById('sign').hidden`)
	if cookies := b.eval("document.cookie"); cookies != "" {
		t.Errorf("cookies: %s", cookies)
	}
	b.click(`#reasons [data-key="verification"] .act button`)
	l.state(t, failed, queue.StateQueued)
	b.until(`!document.querySelector('#reasons [data-key="verification"]')`)

	b.click("#left-card summary")
	b.click(`#left [data-key="not_guacamole"] .who button`)
	b.click("#task-retry")
	b.until(`document.getElementById('task-said').textContent === 'The task is retried.'`)
	b.do(chromedp.KeyEvent("\x1b"))
	b.click("#sign")
	b.until(`!document.getElementById('login').hidden && document.getElementById('data').hidden && document.getElementById('sign').hidden`)
	if kept := b.eval("sessionStorage.length"); kept != "0" {
		t.Errorf("%s values are stored after signing out", kept)
	}
}

// TestABrowserOfThisHostLooksAndNoMore: without a token, access is read-only.
func TestABrowserOfThisHostLooksAndNoMore(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, ""), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(ready)
	for _, call := range []string{"retry?reason=verification", "tasks/" + failed + "/retry"} {
		if got := b.call("POST", call); got != "401" {
			t.Errorf("%s: %s", call, got)
		}
		b.expected("401")
	}
	if b.eval(`document.getElementById('sign').hidden && [...document.querySelectorAll('.reasons .act button')].every(e => e.hidden)`) != "true" {
		t.Error("the page offers what the agent refuses")
	}
	// A stored token is deleted if the agent no longer has one.
	b.eval(`sessionStorage.setItem('jumpserver-video-token', 'no longer set')`)
	b.until(`sessionStorage.length === 0`)
	b.until(ready)
}

// TestALateAnswerDoesNotSignOut: a refusal of an earlier token must not sign out.
func TestALateAnswerDoesNotSignOut(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, token), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(`!document.getElementById('login').hidden`)
	b.expected("401")
	b.eval(`window.fetch = (real => (url, how) => real(url, how).then(answer => answer.ok ? answer :
		new Promise(done => window.release = () => done(answer))))(window.fetch)`)
	b.signIn("wrong")
	b.until(`!!window.release`)
	b.expected("401")
	b.signIn(token)
	b.until(ready + ` && !document.getElementById('sign').hidden`)
	eval[string](b, `new Promise(done => { window.release(); setTimeout(() => done(''), 100); })`, chromedp.EvalAwaitPromise)
	if b.eval(`document.getElementById('login').hidden`) != "true" || b.eval(`sessionStorage.length`) != "1" {
		t.Error("signed out")
	}
}

// call sends a request from within the page and returns its status.
func (b *browser) call(method, path string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`fetch('api/%s', {method: '%s'}).then(r => String(r.status))`, path, method), chromedp.EvalAwaitPromise)
}

// TestBehindAProxy: the page works below a prefix, from another host.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, token), newBrowser(t)
	to, err := url.Parse(l.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix("/ops/jsv", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
	}}))
	defer proxy.Close()
	b.open(proxy.URL + "/ops/jsv/video-worker")
	b.until(`!document.getElementById('login').hidden`)
	b.expected("401")
	if !strings.HasSuffix(b.eval("location.pathname"), "/ops/jsv/video-worker/") {
		t.Errorf("at %s", b.eval("location.href"))
	}
	b.signIn(token)
	b.until(ready)
	b.click(`#reasons [data-key="` + failed + `"]`)
	b.until(`document.getElementById('task-log').textContent.includes('ERR failed')`)
}

//go:embed audit_test.js
var audit string

// audit reports problems of accessibility.
func (b *browser) audit(t *testing.T, what string) {
	t.Helper()
	for _, f := range eval[[]string](b, audit) {
		t.Errorf("%s: %s", what, f)
	}
	// axe-core finds more, if it is installed (make .cache/axe).
	script, err := os.ReadFile("../../../.cache/axe/node_modules/axe-core/axe.min.js")
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	eval[chromedp.Void](b, string(script)+";undefined")
	for _, f := range eval[[]string](b, `axe.run().then(r => r.violations.flatMap(v =>
		v.nodes.map(n => 'axe: ' + v.id + ': ' + n.target + ': ' + n.failureSummary)))`, chromedp.EvalAwaitPromise) {
		t.Errorf("%s: %s", what, f)
	}
}

func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil || len(png) < 5000 {
		t.Errorf("%s: %d bytes, %v", name, len(png), err)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// downloads makes the browser save files in a folder.
func (b *browser) downloads(dir string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, browserdomain.SetDownloadBehavior, browserdomain.SetDownloadBehaviorParams{
		Behavior: browserdomain.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
	}); err != nil {
		b.t.Fatal(err)
	}
}

// saved waits for a file that contains a text.
func (b *browser) saved(name, text string) {
	b.t.Helper()
	var data []byte
	waittest.Until(b.t, fmt.Sprintf("%s contains %q", name, text), func() bool {
		var err error
		data, err = os.ReadFile(name)
		return err == nil && strings.Contains(string(data), text)
	}, func() any { return string(data) })
}
