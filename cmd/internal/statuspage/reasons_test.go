package statuspage

import (
	"fmt"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestThePageSaysWhatIsTriedAgain: of each reason what to do, and whether the
// agent tries again without it.
func TestThePageSaysWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	l, b := newLab(t, ""), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(ready)
	for class, again := range map[task.Class]string{
		task.ClassVerify:   " What failed is not tried again without help.",
		task.ClassDiskFull: " Tried again without help.",
		task.ClassKind:     "", // left alone
	} {
		got := b.eval(fmt.Sprintf(`document.querySelector('#reasons [data-key="%s"] .hint').textContent`, class))
		if want := task.ReasonOf(class).Hint + again; got != want {
			t.Errorf("%s: %q, want %q", class, got, want)
		}
	}
}
