package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// TestConvertTakesWhatJumpServerLetsPeopleDownload converts .tar files that the web page
// offers for download: of a flat recording, and of one in parts.
func TestConvertTakesWhatJumpServerLetsPeopleDownload(t *testing.T) {
	if testing.Short() {
		t.Skip("two more conversions")
	}
	t.Parallel()
	l := newFixture(t, "4.10.13")
	seeds, err := plant("../../testdata/recordings", l.replay(), l.core)
	if err != nil {
		t.Fatal(err)
	}
	keyID, secret, err := l.core.AddUser(devcore.User{Username: "downloader", Service: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []seed{seeds[0], seeds[6]} {
		url := fmt.Sprintf("%s/api/v1/terminal/sessions/%s/replay/download/", l.core.URL, s.id)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-JMS-ORG", "ROOT")
		devcore.Sign(req, keyID, secret, "Tue, 23 Apr 2024 11:40:34 UTC")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("download: %s, %v", resp.Status, err)
		}
		tar := filepath.Join(l.dir, s.id+".tar")
		if err := os.WriteFile(tar, body, 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := l.command("convert", "--json", tar)
		if code != 0 || !strings.Contains(out, `"session":"`+s.id+`"`) {
			t.Errorf("%s: %d\n%s", s.what, code, out)
		}
		if _, err := os.Stat(filepath.Join(l.dir, s.id+".replay.mp4")); err != nil {
			t.Error(err)
		}
	}
}
