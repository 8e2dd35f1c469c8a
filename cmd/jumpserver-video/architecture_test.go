package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	// A path has a folder, and is relative to the root of the repository. A file name
	// without a folder is in the last folder that was named before it.
	fullPath = regexp.MustCompile(`^\.?\w[\w.-]*(?:/[\w.-]+)+$`)
	fileName = regexp.MustCompile(`^\.?\w[\w.-]*\.(?:go|md|txt|ya?ml|json|m?js|css|html|sh|service)$`)
)

// units splits a document into the parts in which such names are valid: rows of tables, and
// paragraphs.
func units(text string) (all []string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.Contains(paragraph, "\n|---|") {
			all = append(all, strings.Split(paragraph, "\n")...)
		} else {
			all = append(all, paragraph)
		}
	}
	return all
}

// pathsIn returns the paths that a document names in backquotes, and those that do not exist
// below root.
func pathsIn(text, root string) (named, missing []string) {
	there := func(file string) bool {
		_, err := os.Stat(filepath.Join(root, file))
		return err == nil
	}
	for _, unit := range units(text) {
		folders := []string{"."} // that may contain names without a folder
		for _, m := range quoted.FindAllStringSubmatch(unit, -1) {
			switch name := m[1]; {
			case fullPath.MatchString(name):
				named = append(named, name)
				folders = append(folders, name, path.Dir(name))
				if !there(name) {
					missing = append(missing, name)
				}
			case fileName.MatchString(name):
				named = append(named, name)
				if !slices.ContainsFunc(folders, func(folder string) bool { return there(path.Join(folder, name)) }) {
					missing = append(missing, name)
				}
			}
		}
	}
	return named, missing
}

// TestArchitectureNamesWhatIsThere: each package and file in the document exists.
func TestArchitectureNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	named, missing := pathsIn(string(text), "../..")
	if len(named) < 80 {
		t.Errorf("%d paths only are named: %q", len(named), named)
	}
	for _, name := range missing {
		t.Errorf("docs/ARCHITECTURE.md names %s, which does not exist", name)
	}
	// Packages at the top level occur only in the first column.
	packages := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(string(text), -1)
	if len(packages) < 3 {
		t.Errorf("packages at the top: %q", packages)
	}
	for _, m := range packages {
		if st, err := os.Stat(filepath.Join("../..", m[1])); err != nil || !st.IsDir() {
			t.Errorf("docs/ARCHITECTURE.md names the package %s, which does not exist", m[1])
		}
	}
}

// TestMissingPathsAreNoticed tests the check itself.
func TestMissingPathsAreNoticed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, file := range []string{"transcode/guac/ops.go", "transcode/guac/paint.go", "cmd/main.go", ".golangci.yml"} {
		if err := os.MkdirAll(filepath.Join(root, path.Dir(file)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string][]string{
		"`transcode/guac/ops.go` and `paint.go`; see `.golangci.yml`":  nil,
		"`cmd/main.go` calls `transcode/guac`, in it `paint.go`":       nil,
		"`make bench`, `Config`, `storage.Search`, `.trash/`":          nil,
		"`transcode/guac/draw.go` and `paint.go`":                      {"transcode/guac/draw.go"},
		"`transcode/guac/ops.go` and `draw.go`":                        {"draw.go"},
		"`transcode/gauc`":                                             {"transcode/gauc"},
		"`transcode/guac/ops.go`\n\nAnother paragraph: `paint.go`":     {"paint.go"},
		"| a | b |\n|---|---|\n| `transcode/guac` | |\n| `ops.go` | |": {"ops.go"},
	} {
		if _, got := pathsIn(text, root); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
