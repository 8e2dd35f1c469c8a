package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxWords is how long a sentence may be. CONTRIBUTING.md has the rules.
const maxWords = 30

// A phrase is one that CONTRIBUTING.md's glossary replaces by another.
type phrase struct {
	bad  *regexp.Regexp
	good string
}

// glossary reads the phrases from the table in CONTRIBUTING.md: the phrases
// in backquotes in its first column must not be used; its second column has the others.
func glossary(t *testing.T, doc string) (phrases []phrase) {
	t.Helper()
	_, table, found := strings.Cut(doc, "| not | but |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			t.Fatalf("CONTRIBUTING.md: %q is no row of the glossary", line)
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			words := strings.ReplaceAll(regexp.QuoteMeta(m[1]), " ", `\s+`)
			phrases = append(phrases, phrase{regexp.MustCompile(`(?i)\b` + words + `\b`), strings.TrimSpace(cells[2])})
		}
	}
	if !found || len(phrases) < 20 {
		t.Fatalf("CONTRIBUTING.md: a glossary of %d phrases", len(phrases))
	}
	return phrases
}

var (
	sentenceEnd = regexp.MustCompile(`[.!?:;][)"'”*_]*(?:\s+|$)`)
	codeSpan    = regexp.MustCompile("`[^`]*`")
	linkTarget  = regexp.MustCompile(`\]\([^)]*\)|<https?:[^>]*>|https?://\S+`)
	wordOf      = regexp.MustCompile(`[\pL\pN][^\s]*`)
)

// complaints returns what is wrong with a text: phrases, and sentences that are
// too long. What is in backquotes counts as one word, and is not looked at.
func complaints(text string, phrases []phrase) (all []string) {
	text = linkTarget.ReplaceAllString(codeSpan.ReplaceAllString(text, "X"), "] ")
	for _, p := range phrases {
		for _, found := range p.bad.FindAllString(text, -1) {
			all = append(all, fmt.Sprintf("%q: write %s", found, p.good))
		}
	}
	for _, sentence := range sentenceEnd.Split(text, -1) {
		if n := len(wordOf.FindAllString(sentence, -1)); n > maxWords {
			all = append(all, fmt.Sprintf("%d words: %s", n, strings.Join(strings.Fields(sentence), " ")))
		}
	}
	return all
}

// paragraphs splits the text of a comment or document, without code, into what
// holds whole sentences: paragraphs, items of lists and cells of tables.
func paragraphs(text string) (all []string) {
	var now []string
	end := func() {
		if len(now) > 0 {
			all = append(all, strings.Join(now, " "))
			now = nil
		}
	}
	fenced := false
	for line := range strings.SplitSeq(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"):
			fenced = !fenced
			end()
		case fenced, trimmed == "", strings.HasPrefix(line, "\t"), strings.HasPrefix(line, "    ") && len(now) == 0:
			end()
		case strings.HasPrefix(trimmed, "|"):
			end()
			all = append(all, strings.Split(trimmed, "|")...)
		case strings.HasPrefix(trimmed, "#"), strings.HasPrefix(trimmed, "- "), strings.HasPrefix(trimmed, "* "), strings.HasPrefix(trimmed, "> "),
			listNumber.MatchString(trimmed):
			end()
			now = append(now, trimmed)
		default:
			now = append(now, trimmed)
		}
	}
	end()
	return all
}

var (
	listNumber   = regexp.MustCompile(`^\d+\. `)
	reasonsTable = regexp.MustCompile(`(?s)<!-- reasons: .*<!-- end of reasons -->\n`)
)

// textsOf returns the texts for people in a file of the repository, by place.
func textsOf(t *testing.T, root, path string) map[string][]string {
	t.Helper()
	texts := map[string][]string{}
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasSuffix(path, ".go"):
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, data, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(file) {
			return nil
		}
		for _, group := range file.Comments {
			place := fmt.Sprintf("%s:%d", path, files.Position(group.Pos()).Line)
			texts[place] = paragraphs(group.Text())
		}
	case strings.HasSuffix(path, ".md"):
		text := string(data)
		if table := reasonsTable.FindString(text); table != "" { // go generate copies it from there
			texts["transcode/task/reason.go: in "+path] = paragraphs(table)
			text = strings.Replace(text, table, "", 1)
		}
		texts[path] = paragraphs(text)
	case lineComment(path) != "":
		for place, comment := range lineComments(string(data), lineComment(path)) {
			texts[fmt.Sprintf("%s:%d", path, place)] = paragraphs(comment)
		}
	case strings.HasSuffix(path, ".json"):
		var messages map[string]any
		if err := json.Unmarshal(data, &messages); err != nil {
			t.Fatal(err)
		}
		for key, message := range messages {
			switch message := message.(type) {
			case string:
				texts[path+": "+key] = []string{message}
			case map[string]any: // plurals
				for _, one := range message {
					texts[path+": "+key] = append(texts[path+": "+key], fmt.Sprint(one))
				}
			}
		}
	}
	return texts
}

// lineComment returns how a line with a comment begins in a script or a settings file,
// "" for other files.
func lineComment(file string) string {
	switch ext := path.Ext(file); {
	case ext == ".js" || ext == ".mjs":
		return "//"
	case file == "Makefile", ext == ".service", ext == ".yml", ext == ".yaml",
		ext == "" && (strings.HasPrefix(file, ".ci/") || strings.HasPrefix(file, "packaging/")):
		return "#"
	}
	return ""
}

// lineComments returns the comments that fill whole lines, by the number of their first line.
func lineComments(text, mark string) map[int]string {
	comments := map[int]string{}
	first := 0
	number := 0
	for line := range strings.Lines(text) {
		number++
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), mark)
		if !ok || strings.HasPrefix(comment, "!") {
			first = 0
			continue
		}
		if first == 0 {
			first = number
		}
		if comment = strings.TrimPrefix(comment, " "); strings.HasPrefix(comment, "  ") { // a row of a list
			comment = "\n" + strings.TrimSpace(comment) + "\n"
		}
		comments[first] += comment + "\n"
	}
	return comments
}

// TestOneVoice: comments, documents and messages in English follow
// CONTRIBUTING.md's rules.
func TestOneVoice(t *testing.T) {
	const root = "../.."
	contributing, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	phrases := glossary(t, string(contributing))
	texts := map[string][]string{}
	err = fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir() && slices.Contains([]string{".git", ".cache", "bin", "dist", "node_modules", "testdata", "ru", "zh-CN"}, name):
			return fs.SkipDir
		case d.IsDir():
		case lineComment(path) != "", strings.HasSuffix(name, ".go"), strings.HasSuffix(name, ".md") && !strings.HasPrefix(name, "README."), name == "README.md",
			strings.HasSuffix(name, ".json") && strings.Contains(path, "i18n/strings/en/"):
			maps.Copy(texts, textsOf(t, root, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 1000 {
		t.Fatalf("only %d texts were found", len(texts))
	}
	for _, place := range slices.Sorted(maps.Keys(texts)) {
		for _, text := range texts[place] {
			if strings.Contains(place, "CONTRIBUTING.md") && strings.HasPrefix(text, " `") {
				continue // the glossary itself
			}
			for _, complaint := range complaints(text, phrases) {
				t.Errorf("%s: %s", place, complaint)
			}
		}
	}
}

// TestTheVoiceIsHeard tests the check itself: it finds phrases of the glossary and long
// sentences.
func TestTheVoiceIsHeard(t *testing.T) {
	phrases := []phrase{{regexp.MustCompile(`(?i)\btells\s+whether\b`), "reports whether"}}
	long := strings.Repeat("word ", maxWords+1)
	for text, want := range map[string]int{
		"Held tells\nwhether it is held.":       1,
		"Held reports whether it is held.":      0,
		"`tells whether` is code":               0,
		long + ".":                              1,
		strings.Repeat("word ", maxWords) + ".": 0,
		"A short one. " + long:                  1,
		"Short: " + strings.Repeat("word ", 20) + "; " + strings.Repeat("word ", 20): 0,
	} {
		if got := complaints(text, phrases); len(got) != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	got := paragraphs("One\nsentence.\n\n- item\n- other\n\n| a | b |\n\n```\ncode\n```\n\n\tindented\n")
	if want := []string{"One sentence.", "- item", "- other", "", " a ", " b ", ""}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
