package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are texts that control terminals.
var hostile = []string{
	"\x1b]0;pwned\x07", "\x1b[2J\x1b[H", "\x1bc", "\x1bP$q\x1b\\", "\x1b]52;c;cHduZWQ=\x1b\\", "a\rb", "a\bb", "\x00", "\x0e", "\x7f",
	"\u009b31m", "\u009d0;pwned\u009c", "\u0085", "\u202egnp.exe", "\u202a\u202b\u202c\u202d", "\u2066\u2067\u2068\u2069",
	"\x9b31m", "\x9d0;pwned\x9c", "\xc2", "\xff\xfe", "\xed\xa0\x80", "\u2066\xc2\x9b",
}

func TestNothingThatActsIsPrinted(t *testing.T) {
	for _, s := range hostile {
		for what, shown := range map[string]string{"line": Line(s), "text": Text(s)} {
			if !utf8.ValidString(shown) || strings.ContainsFunc(shown, isControl) {
				t.Errorf("%s of %q: %q", what, s, shown)
			}
			if shown == s || len(shown) < len(s) {
				t.Errorf("%s of %q hides characters: %q", what, s, shown)
			}
		}
	}
	for s, want := range map[string]string{
		"": "",
		"录像 – запись – 🎥\u200b×": "录像 – запись – 🎥\u200b×",
		`C:\u001b`:               `C:\u001b`,
		"\x1b[31mred\x1b[0m":     `\u001b[31mred\u001b[0m`,
		"a\nb\tc":                `a\u000ab\u0009c`,
		"\u202eright\xffto left": `\u202eright\xffto left`,
		"\ufffd is a character":  "\ufffd is a character",
	} {
		if got := Line(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	if got := Text("a\nb\tc\r\n"); got != "a\nb\tc\\u000d\n" {
		t.Errorf("%q", got)
	}
}

func TestAllThatIsWrittenIsPrintable(t *testing.T) {
	var b bytes.Buffer
	w := Wrap(&b)
	for _, s := range hostile {
		if n, err := io.WriteString(w, s+"\n"); n != len(s)+1 || err != nil {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
	if b.String() != Text(strings.Join(hostile, "\n")+"\n") {
		t.Errorf("%q", &b)
	}
	if Raw(w) != &b || Raw(&b) != &b || Raw(Wrap(w)) != &b {
		t.Error("Raw does not return the wrapped writer")
	}
	failing, end := io.Pipe()
	_ = failing.CloseWithError(io.ErrShortWrite)
	if _, err := fmt.Fprint(Wrap(end), "x"); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a failure: %v", err)
	}
}

// TestJSONMeansTheSame: JSON that is written through Wrap has the same meaning.
func TestJSONMeansTheSame(t *testing.T) {
	want := map[string]string{}
	for _, s := range hostile {
		s = strings.ToValidUTF8(s, "\ufffd") // as the encoder does
		want[s] = "<" + s + `"\` + "\n"
	}
	var b bytes.Buffer
	e := json.NewEncoder(Wrap(&b))
	e.SetIndent("", "  ")
	if err := e.Encode(want); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(b.String(), func(r rune) bool { return isControl(r) && r != '\n' }) {
		t.Errorf("%q", &b)
	}
	var got map[string]string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d of %d", len(got), len(want))
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%q: %q, want %q", k, got[k], v)
		}
	}
}
