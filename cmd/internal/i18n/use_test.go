package i18n

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Files that use strings: Go code of the commands, and the page.
const (
	commands = "../.."
	assets   = "../statuspage/assets"
)

// dynamic are the families whose keys are joined from a prefix and a word. The word
// occurs in the code, or is a value that TestFamiliesAreComplete knows.
var dynamic = []string{"health.", "unit.", "page.count_", "page.part_", "page.fact_", "page.choice_", "page.disk_", "doctor.check_", "cli.col_", "cli.fact_", "cli.level_"}

var ofValues = []string{"state.", "reason.", "hint.", "problem.", "rights."}

// filesBelow returns the files below a folder whose names end with ext.
func filesBelow(t *testing.T, dir, ext string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ext) && !strings.HasSuffix(path, "_test.go") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(found), err)
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var key = regexp.MustCompile(`['"](raw|unit\.between|(?:page|report|health|state|cli|doctor|notify)\.[a-z0-9_]+)['"]`)

// TestEveryStringIsUsed: each string in the catalogue is used, and each string that is used
// is in the catalogue.
func TestEveryStringIsUsed(t *testing.T) {
	used, words := map[string]bool{}, map[string]bool{}
	for _, name := range slices.Concat(filesBelow(t, commands, ".go"), filesBelow(t, assets, ".js"), filesBelow(t, assets, ".html")) {
		text := read(t, name)
		for _, m := range key.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
			if !Has(m[1]) && !slices.Contains(dynamic, m[1]) {
				t.Errorf("%s: there is no string %s", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`['"]([a-z0-9_ ]+)['"]|\b([a-z_]+): (?:i18n|['"\x60\[s])`).FindAllStringSubmatch(text, -1) {
			words[strings.ReplaceAll(m[1]+m[2], " ", "_")] = true
		}
	}
	for k := range catalogue[English] {
		if used[k] || slices.ContainsFunc(ofValues, func(f string) bool { return strings.HasPrefix(k, f) }) {
			continue
		}
		i := slices.IndexFunc(dynamic, func(f string) bool { return strings.HasPrefix(k, f) })
		if i < 0 || !words[strings.TrimPrefix(k, dynamic[i])] {
			t.Errorf("%s is not used", k)
		}
	}
}

// TestGoGivesTheValuesThatStringsTake: each call has values for all placeholders of
// its string, and for no others.
func TestGoGivesTheValuesThatStringsTake(t *testing.T) {
	calls := 0
	for _, name := range filesBelow(t, commands, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || f.Sel.Name != "T" && f.Sel.Name != "t" {
				return true
			}
			var words []string
			for _, arg := range call.Args {
				word := ""
				if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					word, _ = strconv.Unquote(lit.Value)
				}
				words = append(words, word)
			}
			if !strings.Contains(words[0], ".") && words[0] != "raw" {
				return true
			}
			calls++
			m := catalogue[English][words[0]]
			if m == nil {
				t.Errorf("%s: there is no string %q", name, words[0])
				return true
			}
			given := map[string]bool{}
			for i := 1; i < len(words); i += 2 {
				given[words[i]] = true
			}
			if want := m.placeholders(t, words[0]); !slices.Equal(slices.Sorted(maps.Keys(given)), append([]string{}, want...)) {
				t.Errorf("%s: %s has the placeholders %v, and the call gives %v", name, words[0], want, slices.Sorted(maps.Keys(given)))
			}
			return true
		})
	}
	if calls < 20 {
		t.Errorf("found only %d calls", calls)
	}
}

// TestThePageHasNoWordsOfItsOwn: all texts of the page come from the catalogue,
// except that of noscript, which is in all three languages.
func TestThePageHasNoWordsOfItsOwn(t *testing.T) {
	html := regexp.MustCompile(`(?s)<noscript>.*</noscript>|<!--.*?-->`).ReplaceAllString(read(t, assets+"/index.html"), "")
	for _, m := range regexp.MustCompile(`>([^<]*\p{L}[^<]*)<`).FindAllStringSubmatch(html, -1) {
		if text := strings.TrimSpace(m[1]); text != "jumpserver-video" {
			t.Errorf("index.html says %q", text)
		}
	}
	for _, m := range regexp.MustCompile(` (?:title|alt|placeholder|aria-label)="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		t.Errorf("index.html says %q", m[1])
	}
	literal := regexp.MustCompile("'([^'\n]*)'|`([^`\n]*)`")
	for _, name := range filesBelow(t, assets, ".js") {
		for _, m := range wordsIn(read(t, name), literal) {
			t.Errorf("%s says %q", name, m)
		}
	}
	// The check itself must find such texts.
	if got := wordsIn("text(x, 'Nothing to do.'); y(`${n} recordings left`); z('All', \"page.x\")", literal); len(got) != 3 {
		t.Errorf("finds %q", got)
	}
}

// wordsIn returns the literals of a script that are texts for people.
func wordsIn(script string, literal *regexp.Regexp) (found []string) {
	script = regexp.MustCompile(`(?m)(^|\s)//.*$`).ReplaceAllString(script, "")
	names := regexp.MustCompile(`^(Authorization|Content-Type|Next-Cursor|Total-Count|POST|GET|English|Русский|Bearer )$`)
	for _, m := range literal.FindAllStringSubmatch(script, -1) {
		text := regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(m[1]+m[2], "")
		sentence := regexp.MustCompile(`\pL{2,} \pL{2,}`).MatchString(text) && !regexp.MustCompile(`^[a-z -]*[#.\[]|^(tag|muted|num|link|muted small|line|what|how|button|day|grid|image|pill)\b`).MatchString(text)
		begins := regexp.MustCompile(`^\p{Lu}\pL+`).MatchString(text) && !names.MatchString(text)
		behind := regexp.MustCompile(`^ \pL{2,}`).MatchString(text)
		if sentence || begins || behind {
			found = append(found, text)
		}
	}
	return found
}
