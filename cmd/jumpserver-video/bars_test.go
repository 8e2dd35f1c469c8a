package main

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
)

// lockedBuffer is a buffer that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestBarsShowPercentSpeedAndTimeLeft(t *testing.T) {
	var out lockedBuffer
	b := newBars(&out, true, i18n.English)
	good, bad := b.add("good.mp4"), b.add("bad.mp4")
	good.scanned(10, 10)
	for i := range 10 {
		good.rendered(render.Progress{Done: time.Duration(i+1) * 5 * time.Second, Bytes: int64(i + 1), Total: 10})
		time.Sleep(100 * time.Millisecond) // until the bars have been drawn
	}
	good.verifying()
	good.end(nil)
	bad.end(errors.New("no"))
	done := make(chan struct{})
	go func() { b.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the bars do not end")
	}
	for _, want := range []string{"good.mp4", "× real time", "s left", "100 %", "done", "failed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown in %q", want, out.String())
		}
	}
}

func TestBarsAreSilentWhereThereIsNoTerminal(t *testing.T) {
	var out lockedBuffer
	b := newBars(&out, false, i18n.English)
	one := b.add("x.mp4")
	one.end(nil)
	b.Wait()
	if out.String() != "" {
		t.Errorf("%q", out.String())
	}
}
