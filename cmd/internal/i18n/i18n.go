// Package i18n is the catalogue of all texts for people, in English, Chinese and
// Russian: the status page, the command line and notifications use the same strings.
//
// # Texts
//
// A [Text] is a message without a language: the key of a string, and values for its
// placeholders. The code that finds a problem creates a Text. The code that shows it
// translates it to the reader's language, with [Lang.Say], or with t() in the page's
// i18n.js, which has the same rules.
//
// # Strings
//
// The folder strings has a folder for each language, with a JSON file for each part
// of the program. A string is a text with placeholders such as {name}, or an object
// with a text for each plural form. The value n selects the form:
//
//	"page.recordings": {"one": "{n} recording", "other": "{n} recordings"}
//
// English titles and hints of reasons are in package task, and fixes for missing
// rights in package rights; the catalogue includes them. Logs and raw errors are in
// English and are not translated.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Lang is a language of the catalogue, as a BCP 47 tag.
type Lang string

// Languages.
const (
	English Lang = "en"
	Chinese Lang = "zh-CN"
	Russian Lang = "ru"
)

// Langs are all languages.
var Langs = []Lang{English, Chinese, Russian}

// Name returns the name of the language in that language.
func (l Lang) Name() string {
	return map[Lang]string{English: "English", Chinese: "简体中文", Russian: "Русский"}[l]
}

// Text is a message without a language. Values are strings, which are shown
// unchanged, integers, floats, [Bytes], [Seconds], [Moment], and other Texts.
type Text struct {
	Key  string         `json:"key"`
	Args map[string]any `json:"args,omitempty"`
}

// T returns the text of a key. args are names of placeholders, each followed by its
// value.
func T(key string, args ...any) Text {
	t := Text{Key: key}
	for i := 0; i+1 < len(args); i += 2 {
		if t.Args == nil {
			t.Args = map[string]any{}
		}
		value := args[i+1]
		if err, ok := value.(error); ok {
			value = err.Error()
		}
		t.Args[args[i].(string)] = value
	}
	return t
}

// Of returns the text of a value in a family of keys, such as "state".
func Of[S ~string](family string, value S) Text { return Text{Key: family + "." + string(value)} }

// Fix returns the text of a fix for missing rights.
func Fix(f rights.Fix) Text { return T("rights."+f.Kind, "at", f.At) }

// Raw returns a text that is the same in all languages, such as that of an error.
func Raw(text string) Text { return T("raw", "text", text) }

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.Key == "" }

// String returns the text in English, for logs.
func (t Text) String() string { return English.Say(t) }

// entry is a string of the catalogue: its plural forms, or "" for a single text.
type entry map[string]string

// UnmarshalJSON reads a single text, or one for each plural form.
func (m *entry) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*m = entry{"": one}
		return nil
	}
	var forms map[string]string
	err := json.Unmarshal(b, &forms)
	*m = forms
	return err
}

// MarshalJSON writes the format that UnmarshalJSON reads.
func (m entry) MarshalJSON() ([]byte, error) {
	if one, ok := m[""]; ok {
		return json.Marshal(one)
	}
	return json.Marshal(map[string]string(m))
}

//go:embed strings
var files embed.FS

var catalogue = load()

func load() map[Lang]map[string]entry {
	all := map[Lang]map[string]entry{}
	for _, l := range Langs {
		all[l] = map[string]entry{}
		names, err := fs.Glob(files, "strings/"+string(l)+"/*.json")
		if err != nil { // impossible: the pattern is valid
			panic(err)
		}
		for _, name := range names {
			data, err := files.ReadFile(name)
			var strings map[string]entry
			if err == nil {
				err = json.Unmarshal(data, &strings)
			}
			if err != nil { // impossible: the files are embedded
				panic(fmt.Sprintf("%s: %v", name, err))
			}
			maps.Copy(all[l], strings)
		}
	}
	for _, r := range task.Reasons {
		all[English]["reason."+string(r.Class)] = entry{"": r.Title}
		all[English]["hint."+string(r.Class)] = entry{"": r.Hint}
	}
	for kind, text := range rights.Fixes {
		all[English]["rights."+kind] = entry{"": text}
	}
	return all
}

// Has reports whether the catalogue has a key.
func Has(key string) bool { return catalogue[English][key] != nil }

// Strings returns the strings of a language whose keys begin with one of the
// families, as JSON for the page.
func (l Lang) Strings(families ...string) []byte {
	chosen := map[string]entry{}
	for key, m := range catalogue[l] {
		family, _, _ := strings.Cut(key, ".")
		if slices.Contains(families, family) {
			chosen[key] = m
		}
	}
	data, err := json.Marshal(chosen)
	if err != nil { // impossible: only strings
		panic(err)
	}
	return data
}

// Say translates a text. An unknown key, for example from a newer agent, is shown
// unchanged, and so is a placeholder without a value.
func (l Lang) Say(t Text) string {
	if t.Key == "" {
		return ""
	}
	m := catalogue[l][t.Key]
	if m == nil {
		_, last, _ := strings.Cut(t.Key, ".")
		return strings.ReplaceAll(last, "_", " ")
	}
	return l.fill(m[l.form(m, t.Args["n"])], t.Args)
}

// T translates the text that [T] returns.
func (l Lang) T(key string, args ...any) string { return l.Say(T(key, args...)) }

// form returns the plural form of a string for the count n.
func (l Lang) form(m entry, n any) string {
	if _, ok := m[""]; ok {
		return ""
	}
	count, ok := asInt(n)
	if !ok {
		return "other"
	}
	form := formNames[plural.Cardinal.MatchPlural(language.Make(string(l)), int(max(count, -count)%1_000_000_000), 0, 0, 0, 0)]
	if _, ok := m[form]; !ok {
		return "other"
	}
	return form
}

var formNames = map[plural.Form]string{
	plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
}

func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64: // from JSON
		return int64(v), v == float64(int64(v))
	default:
		return 0, false
	}
}

// fill replaces placeholders by their values.
func (l Lang) fill(text string, args map[string]any) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, behind, closed := strings.Cut(rest, "}")
		value, given := args[name]
		if !closed || !given {
			b.WriteString("{")
			text = rest
			continue
		}
		b.WriteString(l.value(value))
		text = behind
	}
}

// Match returns the language that matches the wishes best, which are in order of
// preference; English if none matches.
func Match(wishes ...string) Lang {
	for _, wish := range wishes {
		base, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(strings.TrimSpace(wish), "_", "-")), "-")
		base, _, _ = strings.Cut(base, ".")
		for _, l := range Langs {
			if own, _, _ := strings.Cut(string(l), "-"); own == base {
				return l
			}
		}
	}
	return English
}

// Parse returns the language with a name, such as a value of --lang.
func Parse(name string) (Lang, error) {
	if l := Match(name); l != English || strings.HasPrefix(strings.ToLower(name), "en") {
		return l, nil
	}
	return English, fmt.Errorf("%q: there are %s, %s, %s", path.Clean(name), English, Chinese, Russian)
}

// FromEnv returns the language of the environment, as gettext does: LANGUAGE, unless
// the locale is C, then LC_ALL, LC_MESSAGES, LANG.
func FromEnv(getenv func(string) string) Lang {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale = getenv(name); locale != "" {
			break
		}
	}
	if base, _, _ := strings.Cut(locale, "."); base == "" || base == "C" || base == "POSIX" {
		return English
	}
	return Match(append(slices.DeleteFunc(strings.Split(getenv("LANGUAGE"), ":"), func(s string) bool { return s == "" }), locale)...)
}
