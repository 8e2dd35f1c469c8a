package job

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStepsUseTheContextThatEndsWithTheAgent: a step that uses the context of the lease, or
// one that never ends, would not stop with the agent.
func TestStepsUseTheContextThatEndsWithTheAgent(t *testing.T) {
	// These only check whether the lease has ended, derive the context of the steps, or
	// run after the lease has ended.
	allowed := []string{"Do", "leaseLost", "cleanUpIfLate", "openVideo"}
	var seen []string
	for _, dir := range []string{".", "..", "../destination"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && outlives(f) {
					seen = append(seen, f.Name.Name)
					if !slices.Contains(allowed, f.Name.Name) {
						t.Errorf("%s: %s uses a context that does not end with the agent", name, f.Name.Name)
					}
				}
			}
		}
	}
	for _, name := range allowed {
		if !slices.Contains(seen, name) {
			t.Errorf("%s was not found: does this test still find anything?", name)
		}
	}
}

// outlives reports whether a function gets a context that may end later than the agent.
func outlives(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Context", "Background", "TODO", "WithoutCancel"}, s.Sel.Name) {
			found = true
		}
		return true
	})
	return found
}
