package job

import (
	"fmt"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestARecordingThatIsTooCostlyIsGivenUp at once: another attempt would take as
// long. Its task fails, so that the original stays.
func TestARecordingThatIsTooCostlyIsGivenUp(t *testing.T) {
	class, verdict := classify(fmt.Errorf("render: %w", guac.ErrTooCostly))
	if class != task.ClassTooCostly || verdict != task.Fails {
		t.Errorf("%s, %v", class, verdict)
	}
}
