package guac

import (
	"image/color"
	"strings"
	"testing"
)

// dumped returns a screen as guacd draws it for a user who joins.
func dumped(c color.NRGBA) *script {
	return screen(64, 64).picture(1, 0, 0, 0, 64, 64, c, MaskOver)
}

// TestTheLastPictureIsWhole: what follows the last sync is shown only if it leaves
// a whole picture.
func TestTheLastPictureIsWhole(t *testing.T) {
	redScreen, greenScreen := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}
	first := func() *script { return dumped(redScreen).add("sync", 0).add("sync", 1000) }
	begun := func(s *script) *script { return s.add("img", 7, 14, 0, "image/png", 0, 0).add("blob", 7, "aGVsbG8=") }
	dump := dumped(greenScreen).String()
	many := func(s *script) *script {
		for i := range maxOps + 10 {
			s.box(0, i%64, 0, 1, 1, blue, MaskOver)
		}
		return s
	}
	for name, tc := range map[string]struct {
		parts   []string
		want    color.RGBA
		warning string
	}{
		"more is drawn":                        {[]string{first().box(0, 0, 0, 64, 64, green, MaskOver).String()}, green, ""},
		"a part without anything":              {[]string{first().String(), "10.disconnect;"}, red, ""},
		"a size alone":                         {[]string{first().String(), screen(64, 64).add("disconnect").String()}, red, ""},
		"a dump that ends within an image":     {[]string{first().String(), dump[:len(dump)/2]}, red, ""},
		"a dump whose image does not end":      {[]string{first().String(), begun(screen(64, 64)).add("disconnect").String()}, red, ""},
		"a dump of which an image is missing":  {[]string{first().String(), screen(64, 64).picture(1, 0, 0, 0, 64, 32, greenScreen, MaskOver).String()}, red, "drawing after the last sync"},
		"a whole dump":                         {[]string{first().String(), dump + "10.disconnect;"}, green, ""},
		"a whole dump, and layers are removed": {[]string{first().String(), dump + "7.dispose,1.0;4.size,1.0,1.0,1.0;"}, green, ""},
		"the rest of a frame is missing":       {[]string{begun(first().box(0, 0, 0, 64, 64, green, MaskOver)).String()}, red, ""},
		"it is cut within an instruction":      {[]string{first().box(0, 0, 0, 64, 64, green, MaskOver).String() + "4.rect,1.0"}, red, ""},
		"a new size and nothing":               {[]string{first().add("size", 0, 48, 48).String()}, red, ""},
		"a new size, half drawn":               {[]string{first().add("size", 0, 128, 64).box(0, 64, 0, 60, 64, green, MaskOver).String()}, red, "drawing after the last sync"},
		"a new size, drawn":                    {[]string{first().add("size", 0, 96, 96).box(0, 0, 0, 96, 96, green, MaskOver).String()}, green, ""},
		"more than is kept at once":            {[]string{many(first()).box(0, 0, 0, 64, 64, green, MaskOver).String()}, green, ""},
		"in a buffer":                          {[]string{first().box(-1, 0, 0, 64, 64, green, MaskOver).String()}, red, ""},
		"in a part that another follows":       {[]string{first().add("size", 0, 16, 16).String(), dumped(greenScreen).add("sync", 9000).String()}, green, ""},
		"no part has a sync":                   {[]string{dump}, green, ""},
		"only the second part has a sync":      {[]string{dump, dumped(redScreen).add("sync", 0).String()}, red, ""},
		"a part without a sync between others": {[]string{first().String(), dumped(greenScreen).add("size", 3, 64, 64).box(3, 0, 0, 64, 64, blue, MaskOver).String(), dumped(redScreen).add("sync", 3000).String()}, red, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, stats := play(t, Options{}, tc.parts...)
			wantPixels(t, a.shots[len(a.shots)-1].img, px{at(30, 30): tc.want, at(5, 60): tc.want})
			if warning := strings.Join(stats.Missing, "\n"); tc.warning == "" && warning != "" || !strings.Contains(warning, tc.warning) {
				t.Errorf("told %q", warning)
			}
			for i := 1; i < len(a.shots); i++ {
				if a.shots[i].at <= a.shots[i-1].at {
					t.Errorf("a frame at %s follows one at %s", a.shots[i].at, a.shots[i-1].at)
				}
				if c := a.shots[i].img.RGBAAt(30, 30); c == black {
					t.Errorf("the picture at %s is black", a.shots[i].at)
				}
			}
		})
	}
}
