package i18n

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

var update = flag.Bool("update", false, "write the tables of reasons into the documentation")

// troubleshooting has, for each language, the document with the table of reasons,
// and the texts of that table.
var troubleshooting = map[Lang]struct {
	file, head string
	becomes    map[task.Verdict]string // the state of tasks, by verdict
}{
	English: {"../../../docs/troubleshooting.md", "| reason | what it means | what to do | the task is |", map[task.Verdict]string{
		task.Settles: "settling, until it is ready", task.Waits: "retrying, until it works", task.Retries: "retrying a few times, then failed",
		task.Fails: "failed", task.Skips: "skipped"}},
	Chinese: {"../../../docs/zh-CN/troubleshooting.md", "| 原因 | 含义 | 处理方法 | 任务状态 |", map[task.Verdict]string{
		task.Settles: "settling，直到就绪", task.Waits: "retrying，直到成功", task.Retries: "retrying 数次，之后 failed", task.Fails: "failed", task.Skips: "skipped"}},
	Russian: {"../../../docs/ru/troubleshooting.md", "| причина | что значит | что делать | состояние задачи |", map[task.Verdict]string{
		task.Settles: "settling, пока не будет готова", task.Waits: "retrying, пока не получится", task.Retries: "retrying несколько раз, потом failed",
		task.Fails: "failed", task.Skips: "skipped"}},
}

// documented returns the table of reasons as it is in the documentation: first
// reasons for which tasks are retried, then all others.
func documented(l Lang) string {
	order := []task.Verdict{task.Settles, task.Waits, task.Retries, task.Fails, task.Skips}
	list := slices.Clone(task.Reasons)
	slices.SortStableFunc(list, func(a, b task.Reason) int {
		return cmp.Compare(slices.Index(order, a.Verdict), slices.Index(order, b.Verdict))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n|---|---|---|---|\n", troubleshooting[l].head)
	for _, r := range list {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Class, l.Say(Of("reason", r.Class)), l.Say(Of("hint", r.Class)), troubleshooting[l].becomes[r.Verdict])
	}
	return b.String()
}

// TestReasonsInTheDocs: docs/troubleshooting.md and its translations have this
// table. With -update, the test writes it there.
func TestReasonsInTheDocs(t *testing.T) {
	for l, doc := range troubleshooting {
		text := read(t, doc.file)
		parts := regexp.MustCompile(`(?s)^(.*\n<!-- reasons: [^\n]* -->\n)(.*)(<!-- end of reasons -->\n.*)$`).FindStringSubmatch(text)
		if parts == nil {
			t.Fatalf("%s has no marked place for the reasons", doc.file)
		}
		want := parts[1] + documented(l) + parts[3]
		if *update {
			if err := os.WriteFile(doc.file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if d := gocmp.Diff(want, text); d != "" {
			t.Errorf("run `go generate ./transcode/task`:\n%s", d)
		}
	}
}

// TestTranslatedReasonsReadWell checks translations by the rules of package task's English
// texts.
func TestTranslatedReasonsReadWell(t *testing.T) {
	for l, stop := range map[Lang]string{Chinese: "。", Russian: "."} {
		titles := map[string]task.Class{}
		for _, r := range task.Reasons {
			title, hint := l.Say(Of("reason", r.Class)), l.Say(Of("hint", r.Class))
			if n := utf8.RuneCountInString(title); n > 50 || strings.HasSuffix(title, stop) {
				t.Errorf("%s %s: the title %q has %d characters, or is a sentence", l, r.Class, title, n)
			}
			if !strings.HasSuffix(hint, stop) || strings.ContainsAny(title+hint, "|`<>*\n") {
				t.Errorf("%s %s: %q or %q", l, r.Class, title, hint)
			}
			if other, taken := titles[title]; taken {
				t.Errorf("%s: %s and %s are both called %q", l, other, r.Class, title)
			}
			titles[title] = r.Class
		}
	}
}

// TestTranslatedDocsAreInStep: a translated document has the same headings, tables,
// commands, settings and links as the English one, in the same order.
func TestTranslatedDocsAreInStep(t *testing.T) {
	for _, name := range []string{"install", "nfs", "deploy-lion", "troubleshooting"} {
		english := outline(read(t, "../../../docs/"+name+".md"))
		for _, l := range Langs[1:] {
			file := "../../../docs/" + string(l) + "/" + name + ".md"
			if d := gocmp.Diff(english, outline(read(t, file))); d != "" {
				t.Errorf("%s: %s", file, d)
			}
		}
	}
}

// outline returns the parts of a document that do not depend on its language.
func outline(text string) (lines []string) {
	text = regexp.MustCompile(`(?s)<!-- reasons.*<!-- end of reasons -->`).ReplaceAllString(text, "")
	code := false
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
			lines = append(lines, line)
		case code || strings.HasPrefix(line, "    "):
			line, _, _ = strings.Cut(line, " #")                                       // a comment
			line = regexp.MustCompile(` --lang [a-zA-Z-]+`).ReplaceAllString(line, "") // depends on the reader
			lines = append(lines, strings.TrimSpace(line))
		case strings.HasPrefix(line, "#"):
			lines = append(lines, strings.Repeat("#", len(line)-len(strings.TrimLeft(line, "#"))))
		case strings.HasPrefix(line, "|"):
			lines = append(lines, fmt.Sprintf("row of %d", strings.Count(line, " | ")+strings.Count(line, "---|")))
		}
		if !code {
			for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(line, -1) {
				lines = append(lines, "link to "+strings.ReplaceAll(m[1], "../", ""))
			}
		}
	}
	return lines
}
