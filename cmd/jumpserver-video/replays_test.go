package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestBucketTakesWhatComesFromEverywhere is run with each release. Recordings from the
// volume, those from Lion, and those that Lion had to put into the bucket itself all become
// MP4s in the bucket.
func TestBucketTakesWhatComesFromEverywhere(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	releases := []string{"4.10.17"}
	if storagetest.All() {
		releases = []string{"3.10.9", "4.2.0", "4.8.0", "4.10.13", "4.10.17"}
	}
	for _, version := range releases {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			b := newBucketFixture(t, server, version)
			seeds, err := plant("../../testdata/recordings", b.replay(), b.core)
			if err != nil {
				t.Fatal(err)
			}
			onVolume, inParts, fallback, foreign := seeds[0], seeds[1], seeds[3], seeds[8:]
			// One recording is on the volume. Lion has put two into the bucket, and core
			// has made copies of these for a viewer.
			aside := t.TempDir()
			keep := []string{onVolume.id, foreign[0].id, foreign[1].id}
			for _, s := range seeds {
				if strings.Contains(strings.Join(keep, " "), s.id) {
					continue
				}
				for _, name := range []string{s.id + ".replay.gz", s.id} {
					from := filepath.Join(b.replay(), s.date, name)
					if _, err := os.Stat(from); err != nil {
						continue
					}
					if s.id == inParts.id && version != "3.10.9" || s.id == fallback.id {
						to := filepath.Join(aside, s.date, name)
						if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
							t.Fatal(err)
						}
						if err := os.Rename(from, to); err != nil {
							t.Fatal(err)
						}
					} else if err := os.RemoveAll(from); err != nil {
						t.Fatal(err)
					}
				}
			}
			b.move(aside)
			if r, err := b.core.Served(t.Context(), fallback.id); err != nil || !r.Downloaded {
				t.Fatalf("core does not fetch it: %+v, %v", r, err)
			}
			const sent = "aaaaaaaa-1111-4111-8111-111111111111"
			b.startHealthy()
			b.send(b.lion(liontest.Signed), sent)
			b.published("from the volume", onVolume.id, onVolume.date)
			b.published("from Lion", sent, sessionDay)
			b.published("from the bucket", fallback.id, fallback.date)
			if version != "3.10.9" {
				b.published("in parts from the bucket", inParts.id, inParts.date)
			}
			for i, want := range []string{"asciicast", "json"} {
				if got := b.served(foreign[i].id); got != want {
					t.Errorf("%s: core serves %s", foreign[i].what, got)
				}
			}
			for _, id := range []string{onVolume.id, sent, fallback.id} {
				var events []string
				for _, e := range b.core.Events(id) {
					events = append(events, e.Name)
				}
				if got := strings.Join(events, " "); got != "replay_convert_start replay_convert_success replay_upload_start replay_upload_success" {
					t.Errorf("%s: %s", id, got)
				}
			}
			_, shown := b.get(metrics.Path, "", "")
			for _, want := range []string{"storage_up 1\n", "storage_http_requests_total ", `storage_requests_total{call="put",outcome="ok"} `} {
				if !strings.Contains(shown, "jumpserver_video_"+want) {
					t.Errorf("metrics: no %s", want)
				}
			}
			if _, status := b.get(statuspage.StatusPath, "", ""); !strings.Contains(status, b.bucket) {
				t.Errorf("the status does not contain the storage: %s", status)
			}
			if code := b.stop(); code != 0 {
				t.Errorf("the agent ended with %d", code)
			}
			if strings.Contains(b.agent.Log(), server.Secret) {
				t.Error("the storage's secret is in the log")
			}
		})
	}
}

// TestBucketWithoutAVolume: uploads need no replay folder. Recordings that cannot be
// converted are stored in the bucket as they are.
func TestBucketWithoutAVolume(t *testing.T) {
	t.Parallel()
	storagetest.Heavy(t)
	b := newBucketFixture(t, storagetest.S3(t), "4.10.13")
	b.env["REPLAY_DIR"], b.env["ORIGINALS"] = "", "delete"
	const good, broken = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"
	b.startHealthy()
	lion := b.lion(liontest.Signed)
	b.send(lion, good)
	hollow := filepath.Join(t.TempDir(), "hollow.gz")
	if err := os.WriteFile(hollow, gzipped(t, "4.size,1.0,4.1024,3.768;"+longNops(4000)+"4.sync,4.1000;4.sync,4.9000;"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.recorded(lion, broken, hollow)
	b.ended(lion, broken)
	b.published("from Lion", good, sessionDay)
	b.until("the recording itself", func() bool { return b.marked(broken) && b.served(broken) == "guacamole" })
	if key := sessionDay + "/" + broken + ".replay.gz"; !strings.Contains(strings.Join(b.keys(), " "), key) {
		t.Errorf("%s is not among %v", key, b.keys())
	}
}

// TestBucketSettingsThatAreWrong: nothing is lost, requests are few, and the reason is clear.
// Tasks continue when the settings are corrected.
func TestBucketSettingsThatAreWrong(t *testing.T) {
	t.Parallel()
	storagetest.Heavy(t)
	server := storagetest.S3(t)
	for _, tc := range []struct {
		name, field, value string
		class              queue.Class
		state              queue.State
	}{
		{"wrong credentials", "SECRET_KEY", "wrong", task.ClassStorageKeys, queue.StateRetrying},
		{"missing bucket", "BUCKET", "gone", task.ClassStorageSettings, queue.StateRetrying},
		{"bad settings", "ENDPOINT", "ftp://nowhere", task.ClassStorageSettings, queue.StateRetrying},
		{"null", "TYPE", "null", task.ClassNullStorage, queue.StateSkipped},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBucketFixture(t, server, "4.10.13")
			b.env["STORAGE_SCAN_INTERVAL"] = "10m" // the default
			if err := b.core.SetReplayStorage("", b.but(tc.field, tc.value)); err != nil {
				t.Fatal(err)
			}
			seeds, err := plant("../../testdata/recordings", b.replay(), b.core)
			if err != nil {
				t.Fatal(err)
			}
			graphical := seeds[:8]
			b.start()
			b.until("told", func() bool {
				// The first tasks, of any sessions, find it out. The others are then not
				// started.
				return slices.ContainsFunc(seeds, func(s seed) bool {
					v := b.task(s.id)
					return v.Reason == tc.class && v.State == tc.state && v.Error != ""
				})
			})
			time.Sleep(3 * time.Second) // in which the storage could get many requests
			if n := len(b.front.Requests()); n > 30 {
				t.Errorf("%d requests", n)
			}
			for _, s := range graphical {
				if got := b.served(s.id); got == "mp4" || got == devcore.ErrNoReplay.Error() {
					t.Errorf("%s: core serves %s", s.what, got)
				}
				if events := b.core.Events(s.id); len(events) > 0 {
					t.Errorf("%s: %v", s.what, events)
				}
			}
			if len(b.keys()) > 0 {
				t.Errorf("in the bucket: %v", b.keys())
			}
			if b.health() == http.StatusOK {
				t.Error("the agent is healthy")
			}
			b.set(b.settings())
			for _, s := range graphical[:2] {
				b.published(s.what, s.id, s.date)
			}
		})
	}
}

// TestBucketSettingsChangeAtRunTime: from core's own storage to a bucket and back. Each MP4 is
// stored where core keeps replays at that time.
func TestBucketSettingsChangeAtRunTime(t *testing.T) {
	t.Parallel()
	b := newBucketFixture(t, storagetest.S3(t), "4.10.13")
	if err := b.core.SetReplayStorage("", map[string]any{"TYPE": "server"}); err != nil {
		t.Fatal(err)
	}
	b.startHealthy()
	lion := b.lion(liontest.Signed)
	const first, second, third = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111", "cccccccc-1111-4111-8111-111111111111"
	b.send(lion, first)
	b.until("on the volume", func() bool { return b.served(first) == "mp4" && b.marked(first) })
	b.set(b.settings())
	b.until("told", func() bool { return strings.Contains(b.agent.Log(), "MP4s go to the replay storage") })
	b.send(lion, second)
	b.published("into the bucket", second, sessionDay)
	b.set(map[string]any{"default": map[string]any{"TYPE": "server"}}) // as if an administrator had deleted the storage
	b.until("told", func() bool { return strings.Count(b.agent.Log(), "MP4s go to core's own storage") == 2 })
	b.send(lion, third)
	b.until("on the volume again", func() bool { return b.served(third) == "mp4" && b.marked(third) })
	for id, in := range map[string]bool{first: false, second: true, third: false} {
		if got := strings.Contains(strings.Join(b.keys(), " "), id); got != in {
			t.Errorf("%s in the bucket: %v", id, got)
		}
	}
}

// TestBucketRecordingsThatAreNotToBeConverted: their tasks end in the right state, and cause no
// repeated requests.
func TestBucketRecordingsThatAreNotToBeConverted(t *testing.T) {
	t.Parallel()
	storagetest.Heavy(t)
	b := newBucketFixture(t, storagetest.S3(t), "4.10.13")
	day, began := sessionDay, sessionStart
	row := func(id string, change func(*devcore.Session)) {
		s := devcore.Session{ID: id, User: "a(a)", Asset: "win", Account: "b(b)", Protocol: "rdp", TerminalType: "lion",
			Start: began, Finished: true}
		change(&s)
		b.core.AddSession(s)
	}
	id := func(n int) string { return fmt.Sprintf("aaaaaaaa-1111-4111-8111-%012d", n) }
	other, unknown, running, ssh, misplaced, hollow := id(1), id(2), id(3), id(4), id(5), id(6)
	row(other, func(s *devcore.Session) { s.Org, s.OrgName = "00000000-0000-4000-8000-0000000000aa", "Branch" })
	row(running, func(s *devcore.Session) { s.Finished, s.End = false, time.Time{} })
	row(ssh, func(s *devcore.Session) { s.Protocol, s.TerminalType = "ssh", "koko" })
	row(misplaced, func(s *devcore.Session) { s.Start = began.AddDate(0, 0, -1) })
	row(hollow, func(*devcore.Session) {})
	good, err := os.ReadFile(sample(t, flatRecording))
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range []string{other, unknown, running, ssh, misplaced, hollow} {
		data := good
		if session == hollow {
			data = gzipped(t, "4.size,1.0,4.1024,3.768;"+longNops(4000)+"4.sync,4.1000;4.sync,4.9000;")
		}
		if _, err := b.client.PutObject(t.Context(), b.bucket, path.Join(day, session+".replay.gz"), bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	b.published("of another organization", other, day)
	for session, want := range map[string]struct {
		state queue.State
		class queue.Class
	}{
		unknown: {queue.StateSkipped, task.ClassSession}, running: {queue.StateSettling, task.ClassSessionActive},
		ssh: {queue.StateSkipped, task.ClassNotGraphical}, misplaced: {queue.StateSkipped, task.ClassMisplaced},
		hollow: {queue.StateFailed, task.ClassNothingDrawn},
	} {
		b.until(string(want.class), func() bool {
			v := b.task(session)
			return v.State == want.state && v.Reason == want.class
		})
	}
	before := b.task(unknown)
	waittest.During(t, 3*time.Second, "ten listings do not start the task again", func() bool {
		after := b.task(unknown)
		return after.Updated.Equal(before.Updated) && after.Attempt == before.Attempt
	}, func() any { return before }, func() any { return b.task(unknown) })
	downloads := 0
	for _, r := range b.front.Requests() {
		u, err := url.Parse(strings.TrimPrefix(r, "GET "))
		if err == nil && strings.HasPrefix(r, "GET ") && strings.HasSuffix(u.Path, ".replay.gz") {
			downloads++
		}
	}
	if downloads != 2 { // the one that was converted, and the one that cannot be converted
		t.Errorf("%d recordings were downloaded", downloads)
	}
	row(running, func(*devcore.Session) {})
	b.published("over at last", running, day)
}
