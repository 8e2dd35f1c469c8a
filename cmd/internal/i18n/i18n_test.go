package i18n

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// placeholders returns the names in all forms of an entry, which must be the same.
func (m entry) placeholders(t *testing.T, where string) []string {
	t.Helper()
	var all []string
	for form, text := range m {
		found := map[string]bool{}
		for _, p := range placeholder.FindAllStringSubmatch(text, -1) {
			found[p[1]] = true
		}
		if form != "" {
			found["n"] = true // "one session" needs no number
		}
		names := slices.Sorted(maps.Keys(found))
		if all != nil && !slices.Equal(all, names) {
			t.Errorf("%s: form %s has %v, another one has %v", where, form, names, all)
		}
		all = names
	}
	return all
}

// forms are the plural forms of each language.
var forms = map[Lang][]string{English: {"one", "other"}, Chinese: {"other"}, Russian: {"few", "many", "one", "other"}}

// TestEveryStringIsInAllLanguages: each string exists in all languages, with the same
// placeholders and with all plural forms of the language.
func TestEveryStringIsInAllLanguages(t *testing.T) {
	for key := range catalogue[English] {
		for _, l := range Langs {
			m, where := catalogue[l][key], string(l)+" "+key
			if m == nil {
				t.Errorf("%s: missing", where)
				continue
			}
			if d := cmp.Diff(catalogue[English][key].placeholders(t, "en "+key), m.placeholders(t, where)); d != "" {
				t.Errorf("%s: placeholders: %s", where, d)
			}
			_, plain := m[""]
			if _, want := catalogue[English][key][""]; plain != want {
				t.Errorf("%s: has plural forms in one language only", where)
			} else if got := slices.Sorted(maps.Keys(m)); !plain && !slices.Equal(got, forms[l]) {
				t.Errorf("%s: has the forms %v, want %v", where, got, forms[l])
			}
			for _, text := range m {
				if strings.TrimSpace(text) == "" && key != "unit.between" || strings.ContainsAny(text, "<>\n") {
					t.Errorf("%s: %q", where, text)
				}
			}
		}
	}
	for _, l := range Langs[1:] {
		for key := range catalogue[l] {
			if catalogue[English][key] == nil {
				t.Errorf("%s %s: does not exist in English", l, key)
			}
		}
	}
}

// TestTranslationsAreTranslated: a string of several English words differs from the
// English one, and each language is written in its own script.
func TestTranslationsAreTranslated(t *testing.T) {
	own := map[Lang]*unicode.RangeTable{Chinese: unicode.Han, Russian: unicode.Cyrillic}
	for l, letters := range own {
		for key, m := range catalogue[l] {
			for _, text := range m {
				english := regexp.MustCompile(`[a-z] [a-z]`).MatchString(placeholder.ReplaceAllString(catalogue[English][key][""], ""))
				if english && !strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(letters, r) }) {
					t.Errorf("%s %s: %q", l, key, text)
				}
			}
		}
	}
	for key, m := range catalogue[Chinese] {
		for _, text := range m {
			if regexp.MustCompile(`\p{Han}[,;:?!]`).MatchString(text) {
				t.Errorf("%s: %q has punctuation of another script", key, text)
			}
		}
	}
}

// TestFamiliesAreComplete: there is a string for each value, and no other string.
func TestFamiliesAreComplete(t *testing.T) {
	want := map[string][]string{"state": nil, "hint": nil, "problem": slices.Clone(taskapi.Codes)}
	want["rights"] = slices.Collect(maps.Keys(rights.Fixes))
	for _, s := range queue.States {
		want["state"] = append(want["state"], string(s))
	}
	for _, r := range task.Reasons {
		want["hint"] = append(want["hint"], string(r.Class))
		if !Has("reason." + string(r.Class)) {
			t.Errorf("%s has no title", r.Class)
		}
	}
	for family, values := range want {
		var have []string
		for key := range catalogue[English] {
			if name, ok := strings.CutPrefix(key, family+"."); ok {
				have = append(have, name)
			}
		}
		slices.Sort(have)
		slices.Sort(values)
		if d := cmp.Diff(values, have); d != "" {
			t.Errorf("%s: %s", family, d)
		}
	}
}

func TestPlurals(t *testing.T) {
	for l, want := range map[Lang]map[int]string{
		English: {0: "0 recordings", 1: "1 recording", 2: "2 recordings", 1234: "1,234 recordings"},
		Chinese: {1: "1 个录像", 5: "5 个录像"},
		Russian: {1: "1 запись", 2: "2 записи", 5: "5 записей", 11: "11 записей", 21: "21 запись", 22: "22 записи", 112: "112 записей", 12345: "12 345 записей"},
	} {
		for n, text := range want {
			if got := strings.ReplaceAll(l.T("page.recordings", "n", n), "\u00a0", " "); got != text {
				t.Errorf("%s %d: %q, want %q", l, n, got, text)
			}
		}
	}
}

func TestValues(t *testing.T) {
	at := time.Date(2026, 11, 22, 7, 8, 9, 0, time.Local)
	for _, tc := range []struct {
		value   any
		en, ru_ string
	}{
		{Bytes(1234567), "1.23 MB", "1,23 МБ"}, {Bytes(999), "999 B", "999 Б"}, {Bytes(45e9), "45 GB", "45 ГБ"},
		{Seconds(90), "1 min 30 s", "1 мин 30 с"}, {Seconds(0), "0 s", "0 с"}, {Seconds(90000), "1 d 1 h", "1 д 1 ч"}, {Seconds(7200), "2 h", "2 ч"},
		{Moment(at), "2026-11-22 07:08:09", "22.11.2026 07:08:09"}, {2.25, "2.2", "2,2"}, {errors.New("as it is"), "as it is", "as it is"},
		{T("page.now"), "now", "сейчас"},
	} {
		text := T("raw", "text", tc.value)
		if en, ru := English.Say(text), Russian.Say(text); en != tc.en || ru != tc.ru_ {
			t.Errorf("%v: %q and %q", tc.value, en, ru)
		}
	}
	if got := English.T("page.ago"); got != "{span} ago" {
		t.Errorf("without a value: %q", got)
	}
	if got := Russian.Say(Of("reason", "of_a_newer_agent")); got != "of a newer agent" {
		t.Errorf("not in the catalogue: %q", got)
	}
	data, err := json.Marshal(T("x.y", "a", Bytes(1), "b", T("c.d")))
	if want := `{"key":"x.y","args":{"a":{"bytes":1},"b":{"key":"c.d"}}}`; err != nil || string(data) != want {
		t.Errorf("%s %v", data, err)
	}
}

func TestTheLanguageIsTheEnvironments(t *testing.T) {
	for _, tc := range []struct {
		env  string
		want Lang
	}{
		{"", English}, {"LANG=zh_CN.UTF-8", Chinese}, {"LANG=ru_RU.UTF-8", Russian}, {"LANG=de_DE.UTF-8", English}, {"LANG=zh", Chinese},
		{"LANG=ru_RU.UTF-8 LC_ALL=en_US.UTF-8", English}, {"LANG=en_US.UTF-8 LC_MESSAGES=zh_TW.UTF-8", Chinese},
		{"LANG=en_US.UTF-8 LANGUAGE=fr:ru:en", Russian}, {"LANG=C LANGUAGE=ru", English}, {"LC_ALL=C.UTF-8 LANG=ru_RU.UTF-8", English}, {"LC_ALL=POSIX LANG=ru", English},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(tc.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		if got := FromEnv(func(name string) string { return env[name] }); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.env, got, tc.want)
		}
	}
	for name, want := range map[string]Lang{"ru": Russian, "RU_ru": Russian, "zh-Hans-CN": Chinese, "en-GB": English} {
		if got, err := Parse(name); err != nil || got != want {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
	if _, err := Parse("fr"); err == nil {
		t.Error("fr is accepted")
	}
}
