package bucket

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

// allDenied refuses every request, as S3 does.
func allDenied(*http.Request) storagetest.Fault {
	return storagetest.XMLError(http.StatusForbidden, "AccessDenied")
}
