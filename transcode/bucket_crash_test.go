package transcode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

// process runs an agent process that uses the bucket; see runProcess.
func (b *bucketSite) process(killAt string) (boundaries []string, killed bool) {
	b.t.Helper()
	return b.runProcess(killAt, "TEST_AGENT_STORAGE="+b.server, "TEST_AGENT_BUCKET="+b.name)
}

// TestBucketKilledAtEveryStepBoundary kills the agent with SIGKILL at each boundary, starts
// it again, and requires the same final state every time.
func TestBucketKilledAtEveryStepBoundary(t *testing.T) {
	t.Parallel()
	storagetest.Heavy(t)
	server := storagetest.S3(t)
	for _, tc := range []struct {
		version string
		parts   bool
		at      location
	}{{"3.10.9", false, onVolume}, {"4.10.13", false, inBucket}, {"4.10.17", true, inBoth}, {"4.8.0", false, inSpool}} {
		t.Run(fmt.Sprint(tc.version, " ", tc.at), func(t *testing.T) {
			t.Parallel()
			whole := newBucketSite(t, server, tc.version, tc.parts, tc.at)
			boundaries, _ := whole.process("")
			whole.checkPublished(tc.at)
			if len(boundaries) < 12 {
				t.Fatalf("only %d boundaries: %v", len(boundaries), boundaries)
			}
			t.Log(boundaries)
			for _, at := range boundaries {
				t.Run(strings.ReplaceAll(at, " ", "-"), func(t *testing.T) {
					t.Parallel()
					b := newBucketSite(t, server, tc.version, tc.parts, tc.at)
					if _, killed := b.process(at); !killed {
						t.Fatalf("the agent was not killed at %q", at)
					}
					b.process("")
					b.checkPublished(tc.at)
				})
			}
		})
	}
}
