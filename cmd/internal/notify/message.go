package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Message is a notification. Generic webhooks get it as JSON.
type Message struct {
	Event string    `json:"event"` // trouble, over (everything is healthy again), or test
	Agent string    `json:"agent"` // name of the component in core
	Time  time.Time `json:"time"`
	Title string    `json:"title"`
	Body  string    `json:"message"`
	Link  string    `json:"link,omitempty"` // to the status page

	Failed   int                `json:"failed,omitempty"`   // number of recordings
	Reasons  map[task.Class]int `json:"reasons,omitempty"`  // recordings by reason
	Sessions []string           `json:"sessions,omitempty"` // the first few of the failed ones
	Troubles []health.Part      `json:"troubles,omitempty"` // parts that are not healthy
	Over     []health.Part      `json:"over,omitempty"`     // parts that are healthy again
}

// maxMessage is the size of a message in bytes that all services accept. WeCom's limit
// is 2048.
const maxMessage = 1900

// text returns title and body in one text.
func (m Message) text() string { return m.Title + "\n" + m.Body }

// writer writes messages in one language.
type writer struct {
	lang  i18n.Lang
	link  string
	agent string
}

// Test returns the test message.
func Test(lang i18n.Lang, link, agent string) Message {
	w := writer{lang: lang, link: link, agent: agent}
	return w.seal(Message{Event: "test", Title: lang.T("notify.test"), Body: lang.T("notify.test_more")})
}

// write returns the message about news.
func (w writer) write(n news) Message {
	m := Message{Event: "trouble", Failed: n.failures.Count, Reasons: n.failures.Reasons, Sessions: n.failures.Sessions}
	var title, body []string
	for _, part := range slices.Sorted(maps.Keys(n.troubles)) {
		t := n.troubles[part]
		m.Troubles = append(m.Troubles, part)
		what := w.lang.Say(t.Say)
		title = append(title, what)
		body = append(body, w.lang.T("notify.trouble", "what", what, "since", i18n.Moment(t.Since), "reason", cut(t.Reason, 300)))
		if fix := w.lang.Say(t.Fix); fix != "" {
			body = append(body, "  "+w.lang.T("cli.fix", "fix", cut(fix, 300)))
		}
	}
	if n.failures.Count > 0 {
		what := w.lang.T("health.tasks_failed", "n", n.failures.Count)
		title = append(title, what)
		body = append(body, w.lang.T("notify.failed", "what", what))
		most := func(a, b task.Class) int {
			return cmp.Or(cmp.Compare(n.failures.Reasons[b], n.failures.Reasons[a]), cmp.Compare(a, b))
		}
		for _, class := range slices.SortedFunc(maps.Keys(n.failures.Reasons), most) {
			body = append(body, "  "+w.lang.T("notify.reason", "n", n.failures.Reasons[class], "reason", i18n.Of("reason", class), "class", string(class)))
		}
		if ids := strings.Join(n.failures.Sessions, ", "); ids != "" && len(n.failures.Sessions) < n.failures.Count {
			body = append(body, w.lang.T("notify.first_sessions", "ids", ids))
		} else if ids != "" {
			body = append(body, w.lang.T("notify.sessions", "ids", ids))
		}
	}
	for _, part := range slices.Sorted(maps.Keys(n.over)) {
		m.Over = append(m.Over, part)
		body = append(body, w.lang.T("notify.over", "what", n.over[part]))
	}
	if len(title) == 0 {
		title = []string{w.lang.T("notify.better")}
		if n.allWell {
			m.Event, title = "over", []string{w.lang.T("notify.well")}
		}
	}
	m.Title, m.Body = strings.Join(title, "; "), strings.Join(body, "\n")
	return w.seal(m)
}

// seal sets the fields that all messages have.
func (w writer) seal(m Message) Message {
	m.Agent, m.Time, m.Link = w.agent, time.Now().UTC().Truncate(time.Second), w.link
	// The first word is always the same: robots of DingTalk may be configured to accept
	// only messages with a certain word.
	m.Title = fmt.Sprintf("jumpserver-video %s: %s", cmp.Or(w.agent, "-"), m.Title)
	m.Title = cut(m.Title, 300)
	m.Body = cut(m.Body, maxMessage-len(m.Title)-len(m.Link)-2)
	if m.Link != "" {
		m.Body += "\n" + m.Link
	}
	return m
}

// cut shortens a text to at most that many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	most -= len("…")
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:max(most, 0)] + "…"
}
