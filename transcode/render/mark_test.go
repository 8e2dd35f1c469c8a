package render

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMarkSurvivesTheComment(t *testing.T) {
	want := Mark{
		Session: "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f", Source: strings.Repeat("ab", 32),
		Start: time.Date(2024, 4, 23, 17, 15, 7, 0, time.UTC), Agent: "jumpserver-video/1.0",
	}
	got, err := ParseMark(want.String())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestForeignCommentsAreNoMarks(t *testing.T) {
	for _, comment := range []string{"", "made by hand", "session=x; source=sha256:short; agent=y", "source=md5:" + strings.Repeat("a", 64)} {
		if m, err := ParseMark(comment); !errors.Is(err, ErrNoMark) {
			t.Errorf("%q: %+v, %v", comment, m, err)
		}
	}
}
