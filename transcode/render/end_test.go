package render

import (
	"strings"
	"testing"
)

// TestTheLastFrameIsWhole: if a session ends while Lion begins another part, the
// rest that Lion leaves does not turn the end of the MP4 black. Parts without a
// time cause a warning.
func TestTheLastFrameIsWhole(t *testing.T) {
	screen := func() *script {
		s := &script{}
		s.size(64, 48)
		s.grey(200, 0, 0, 64, 48)
		return s
	}
	first := screen()
	first.sync(0)
	first.sync(3000)
	half := &script{}
	half.size(64, 48)
	half.grey(90, 0, 0, 64, 20)
	whole := screen()
	whole.grey(90, 0, 0, 64, 48)
	for name, tc := range map[string]struct {
		more    []string
		want    byte // brightness
		missing string
	}{
		"a part that says goodbye": {[]string{"10.disconnect;"}, 188, ""},
		"a dump cut in the middle": {[]string{half.b.String() + "4.rect,1.0,1.0"}, 188, "1 of 2 parts have no time"},
		"half a dump":              {[]string{half.b.String()}, 188, "1 of 2 parts have no time"},
		"a whole dump":             {[]string{whole.b.String()}, 93, "1 of 2 parts have no time"},
		"several":                  {[]string{half.b.String(), half.b.String(), half.b.String(), half.b.String(), half.b.String() + "3.nop"}, 188, "5 of 6 parts have no time, so that what they show is left out: " + session + ".1.part.gz, " + session + ".2.part.gz, " + session + ".3.part.gz and 2 others"},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := made(t, parts(t, append([]string{first.b.String()}, tc.more...)...), Options{})
			frames := decoded(t, v)
			last := frames[len(frames)-1]
			for _, at := range []int{5*v.Width + 5, 40*v.Width + 50} {
				if d := int(last.pix[at]) - int(tc.want); d < -4 || d > 4 {
					t.Errorf("the last frame has a pixel of %d, want %d", last.pix[at], tc.want)
				}
			}
			if got := strings.Join(v.Missing, "\n"); !strings.HasPrefix(got, tc.missing) || tc.missing == "" && got != "" {
				t.Errorf("missing %q", got)
			}
		})
	}
}
