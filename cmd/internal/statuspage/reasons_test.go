package statuspage

import (
	"fmt"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestThePageSaysWhatIsTriedAgain: for each reason, the page shows what to do, and
// whether the agent retries automatically.
func TestThePageSaysWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	l, b := newFixture(t, ""), newBrowser(t)
	b.open(l.server.URL + Path)
	b.until(ready)
	for class, again := range map[task.Class]string{
		task.ClassVerify:   " Failed tasks are not retried automatically.",
		task.ClassDiskFull: " Retried automatically.",
		task.ClassKind:     "", // skipped
	} {
		got := b.eval(fmt.Sprintf(`document.querySelector('.reasons [data-key="%s"] .hint').textContent`, class))
		if want := task.ReasonOf(class).Hint + again; got != want {
			t.Errorf("%s: %q, want %q", class, got, want)
		}
	}
}
