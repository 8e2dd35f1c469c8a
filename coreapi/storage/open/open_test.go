package open

import (
	"errors"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

func TestStorage(t *testing.T) {
	keys := map[string]any{"BUCKET": "replays", "ACCESS_KEY": "a", "SECRET_KEY": "s", "ENDPOINT": "http://127.0.0.1:1",
		"CONTAINER_NAME": "c", "ACCOUNT_NAME": "n", "ACCOUNT_KEY": "a2V5"}
	for kind, bucket := range map[string]bool{
		"s3": true, "ceph": true, "swift": true, "cos": true, "oss": true, "obs": true, "azure": true,
		"server": false, "null": false, "sftp": false, "unheard-of": false,
	} {
		keys["TYPE"] = kind
		c, err := storage.Parse(keys)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Storage(c, storage.Options{})
		if bucket != (err == nil) || bucket != (s != nil) || bucket != (c.Target() == storage.TargetBucket) {
			t.Errorf("%s: %v, %v", kind, s, err)
		}
		if bucket && s.MatchesPrefixes() != (kind == "azure") {
			t.Errorf("%s: %v", kind, s.MatchesPrefixes())
		}
		if !bucket && !errors.Is(err, storage.ErrConfig) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
