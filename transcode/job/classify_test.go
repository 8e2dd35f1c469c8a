package job

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// TestARecordingThatIsTooCostlyIsGivenUp at once: another attempt would take just as long.
// The task fails, so that the original stays.
func TestARecordingThatIsTooCostlyIsGivenUp(t *testing.T) {
	class, verdict := classify(fmt.Errorf("render: %w", guac.ErrTooCostly))
	if class != task.ClassTooCostly || verdict != task.Fails {
		t.Errorf("%s, %v", class, verdict)
	}
}

// TestWhatStandsInThePlaceOfARecordingFailsItsTask: a file that is not regular fails the
// task, so that an operator notices it.
func TestWhatStandsInThePlaceOfARecordingFailsItsTask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.replay.gz")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := recording.Open(path)
	if class, verdict := classify(err); class != task.ClassUndecodable || verdict != task.Fails {
		t.Errorf("%v: %s, %v", err, class, verdict)
	}
}
