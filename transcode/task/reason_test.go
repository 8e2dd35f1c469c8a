package task

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// TestEveryClassHasAReason: the classes are read from where they are declared,
// and the documentation explains each, too.
func TestEveryClassHasAReason(t *testing.T) {
	troubleshooting, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
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
		if !strings.Contains(string(troubleshooting), "`"+class+"`") {
			t.Errorf("docs/troubleshooting.md does not explain %s", class)
		}
		return true
	})
	if ClassForged != queue.Forged {
		t.Errorf("the queue says %s", queue.Forged)
	}
	if n < 20 || n != len(Reasons) || n != len(reasons) {
		t.Errorf("%d classes, %d reasons", n, len(Reasons))
	}
	if r := ReasonOf("some_new_class"); r.Title != "some new class" || r.Verdict != Retries {
		t.Errorf("unknown: %+v", r)
	}
}
