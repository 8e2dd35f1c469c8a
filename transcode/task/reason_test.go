package task

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// TestEveryClassHasAReason reads the classes from their declarations.
func TestEveryClassHasAReason(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Class") || len(spec.Values) != 1 {
			return true
		}
		class, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if r := ReasonOf(Class(class)); r.Class != Class(class) || r.Title == "" || r.Hint == "" {
			t.Errorf("%s has no reason: %+v", class, r)
		}
		return true
	})
	if ClassForged != queue.Forged {
		t.Errorf("the class is %s in package queue", queue.Forged)
	}
	if n < 20 || n != len(Reasons) || n != len(reasons) {
		t.Errorf("%d classes, %d reasons", n, len(Reasons))
	}
	if r := ReasonOf("some_new_class"); r.Title != "some new class" || r.Verdict != Retries {
		t.Errorf("unknown: %+v", r)
	}
}

// TestReasonsReadWell: a title fits into a line of a list, a hint consists of sentences,
// and both are plain text.
func TestReasonsReadWell(t *testing.T) {
	titles := map[string]Class{}
	for _, r := range Reasons {
		if n := utf8.RuneCountInString(r.Title); n > 50 || strings.HasSuffix(r.Title, ".") {
			t.Errorf("%s: the title %q has %d characters, or is a sentence", r.Class, r.Title, n)
		}
		if !strings.HasSuffix(r.Hint, ".") {
			t.Errorf("%s: the hint %q does not end", r.Class, r.Hint)
		}
		if strings.ContainsAny(r.Title+r.Hint, "|`<>*\n") {
			t.Errorf("%s: %q or %q is not plain text", r.Class, r.Title, r.Hint)
		}
		if other, taken := titles[r.Title]; taken {
			t.Errorf("%s and %s are both called %q", other, r.Class, r.Title)
		}
		titles[r.Title] = r.Class
	}
}

// How texts name reasons, and words that look like reasons and are not.
var (
	inQueries = regexp.MustCompile(`(?:--reason[ =]|\breason\s*(?:=~|!~|!=|=)\s*\\?")([a-z_|]+)`)
	inProse   = regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`|\\bas `([a-z_]+)`")
	titled    = regexp.MustCompile("\\b([a-z]+(?:_[a-z]+)*)`? \\(([A-Z][^)]*)\\)")
	otherWord = regexp.MustCompile(`^(jumpserver_video_\w+|root_squash|ip_group|office_head|rule_files|` +
		`as_is|not_ready|too_many|upload_unknown|in_progress)$`) // the last ones are results of uploads: docs/monitoring.md
)

// unknownReasons returns the words that a text uses as reasons, and that are not.
func unknownReasons(text string) (unknown []string) {
	for _, m := range append(inQueries.FindAllStringSubmatch(text, -1), inProse.FindAllStringSubmatch(text, -1)...) {
		for word := range strings.SplitSeq(strings.Join(m[1:], ""), "|") {
			_, known := reasons[Class(word)]
			if !known && !slices.Contains(queue.States, queue.State(word)) && !otherWord.MatchString(word) {
				unknown = append(unknown, word)
			}
		}
	}
	return unknown
}

// TestReasonsNamedElsewhereExist checks the documentation, the alert rules and the
// dashboard; a title that follows a reason must be that of the reason.
func TestReasonsNamedElsewhereExist(t *testing.T) {
	files := []string{"../../packaging/prometheus/alerts.yml", "../../packaging/grafana/dashboard.json"}
	for _, pattern := range []string{"../../README*.md", "../../docs/*.md", "../../docs/*/*.md", "../../packaging/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n += len(inQueries.FindAllString(string(text), -1)) + len(inProse.FindAllString(string(text), -1))
		if unknown := unknownReasons(string(text)); len(unknown) > 0 {
			t.Errorf("%s: there are no reasons %q", file, unknown)
		}
		for _, m := range titled.FindAllStringSubmatch(string(text), -1) {
			if r, ok := reasons[Class(m[1])]; ok && m[2] != r.Title {
				t.Errorf("%s: %s is called %q, and should be %q", file, m[1], m[2], r.Title)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d reasons were found", n)
	}
}

// TestUnknownReasonsAreNoticed runs the check on texts with unknown reasons.
func TestUnknownReasonsAreNoticed(t *testing.T) {
	for text, want := range map[string][]string{
		"it waits as `disk_ful`":                               {"disk_ful"},
		"it says `null_store`":                                 {"null_store"},
		"left alone as `misplacd`, or waits as `settling`":     {"misplacd"},
		"it waits as `diskful`":                                {"diskful"},
		"tasks retry --reason encodre":                         {"encodre"},
		`jumpserver_video_tasks{reason=~"encoder|crush"}`:      {"crush"},
		`"expr": "jumpserver_video_tasks{reason=\"crush\"}"`:   {"crush"},
		"`disk_full`, --reason encoder, `jumpserver_video_up`": nil,
	} {
		if got := unknownReasons(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
