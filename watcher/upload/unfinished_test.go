package upload

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
)

// TestWhatDescribesUploadsIsBounded, per account and in total.
func TestWhatDescribesUploadsIsBounded(t *testing.T) {
	w := newWorker(t)
	body := announcement(t, maxFiles)
	begin := func(key string) int {
		status, _ := w.send(t, http.MethodPost, taskPath, "application/json", key, bytes.NewReader(body))
		return status
	}
	n := 0
	for ; n < 20 && begin("lion") == http.StatusOK; n++ {
	}
	if n < 2 || n > 16 {
		t.Errorf("%d uploads of 2 MB of description were begun", n)
	}
	if status := begin("lion"); status != http.StatusTooManyRequests {
		t.Error(status)
	}
	if status := begin("other"); status != http.StatusOK {
		t.Error("another account:", status)
	}
	for i := range 100 {
		w.api.Spool.open[fmt.Sprint(i)] = opened{fmt.Sprint("account ", i), 1 << 20}
	}
	if status := begin("other"); status != http.StatusTooManyRequests {
		t.Error("of all accounts:", status)
	}
}
