package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

// TestBucketScan: the volume and the bucket are both listed by day. Nothing is changed, and no
// object is read.
func TestBucketScan(t *testing.T) {
	t.Parallel()
	b := newBucketFixture(t, storagetest.S3(t), "4.10.13")
	b.env["STORAGE_SCAN_INTERVAL"], b.env["STORAGE_SWEEP_INTERVAL"] = "10m", "24h"
	b.startHealthy()
	b.stop()
	const first, second = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"
	for key, size := range map[string]int{
		"2024-04-22/" + first + ".replay.gz": 100_000, "2024-04-22/" + second + ".replay.mp4": 3000, "2024-04-23/" + first + ".cast.gz": 500,
	} {
		if _, err := b.client.PutObject(t.Context(), b.bucket, key, bytes.NewReader(make([]byte, size)), int64(size), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	local := filepath.Join(b.replay(), "2024-04-22", second+".replay.gz")
	if err := os.MkdirAll(filepath.Dir(local), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(local, gzipped(t, "4.size,1.0,4.1024,3.768;"+longNops(4000)), 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond) // until all have settled
	before := len(b.front.Requests())
	out, code := b.command("scan", "--json")
	if code != 0 {
		t.Fatalf("%d: %s", code, out)
	}
	var got []surveyed
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	volume, bucket := got[0], got[1]
	if volume.Storage != b.replay() || len(volume.Days) != 1 || volume.Total.Convertible.Recordings != 1 || volume.Total.ExpectedSaving == 0 || volume.Cost != nil {
		t.Errorf("volume: %+v", volume)
	}
	if !strings.HasSuffix(bucket.Storage, b.bucket) || len(bucket.Days) != 2 {
		t.Fatalf("bucket: %+v", bucket)
	}
	old, total := bucket.Days[1], bucket.Total
	if old.Date != "2024-04-22" || old.Convertible.Recordings != 1 || old.Convertible.Bytes != 100_000 || old.ExpectedSaving != 88_000 ||
		old.Done.Recordings != 1 || old.Done.Bytes != 3000 || total.Foreign.Bytes != 500 || total.Reasons["cast"] != 1 || total.ExpectedSaving != 88_000 {
		t.Errorf("bucket: %+v", bucket)
	}
	requests := b.front.Requests()[before:]
	if bucket.Cost == nil || int(bucket.Cost.Requests) != len(requests) || len(requests) != 3 {
		t.Errorf("told %+v, asked %v", bucket.Cost, requests)
	}
	for _, r := range requests {
		if !strings.HasPrefix(r, "GET /"+b.bucket+"/?") {
			t.Errorf("not a listing: %s", r)
		}
	}
	text, _ := b.command("scan")
	if !strings.Contains(text, "3 requests to the storage") || !strings.Contains(text, "2024-04-23") {
		t.Error(text)
	}
}
